# shellcheck shell=bash
# All that a NIC can carry, on e1000 and virtio-net: started and stopped again and again
# rich N: puts it on ethN.
rich() {
	local n=$1 nic=eth$1 net=192.168.$1
	give "$n" "$net.2/24" "$net.1/24"
	ip addr add "$net.3/24" dev "$nic" label "$nic:web"
	ip addr add "$net.130/25" brd + dev "$nic" label "$nic:b" metric 77
	ip addr add "10.9.$n.1" peer "10.9.$n.2/32" dev "$nic"
	ip addr add "2001:db8:$n::2/64" dev "$nic"
	ip addr add "fd00:$n::2/48" dev "$nic" nodad metric 300
	ip addr add "fd00:$n::3/128" dev "$nic" noprefixroute
	ip -n "lan$n" addr add "2001:db8:$n::1/64" dev wire

	ip route add default via "$net.1" metric "$((50 + n))"
	ip route add 10.1.0.0/16 via "$net.1" src "$net.3" table "10$n"
	ip route add default dev "$nic" scope link metric 5 table "10$n"
	ip rule add from "$net.3" table "10$n" priority "100$n"
	ip rule add iif "$nic" table "10$n" priority "110$n"
	ip route add "10.2$n.0.0/16" nexthop via "$net.1" weight 1 nexthop via "$net.254" weight 3
	ip route add "10.3$n.0.0/16" via "$net.1" mtu 1400 advmss 1300 proto static
	ip route add "10.4$n.0.0/16" via 172.16.0.1 dev "$nic" onlink
	ip -6 route add default via "2001:db8:$n::1" metric "$((30 + n))"
	ip -6 route add "2001:db8:5$n::/48" nexthop via "2001:db8:$n::1" nexthop via "2001:db8:$n::fe"
	ip -6 route add 2001:db8:60::/48 via "2001:db8:$n::1" table "10$n"

	ip neigh add "$net.50" lladdr 52:54:00:00:00:50 nud permanent dev "$nic"
	ip neigh add "2001:db8:$n::50" lladdr 52:54:00:00:00:51 nud permanent dev "$nic"
	ip neigh add proxy "$net.60" dev "$nic"
	sysctl -qw "net.ipv4.conf.$nic.rp_filter=2" "net.ipv6.conf.$nic.accept_ra=0" \
		"net.ipv4.neigh.$nic.base_reachable_time_ms=45000"
}

# both LANs reach the host, by each family.
reached() {
	local n
	for n in 0 3; do
		expect "lan$n reaches the host" answers "192.168.$n.2" lan "$n"
		expect "lan$n reaches the host over IPv6" answers "2001:db8:$n::2" lan "$n"
	done
}

rich 0
rich 3
# What leans on both NICs at once.
ip route add 10.5.0.0/16 nexthop via 192.168.0.1 nexthop via 192.168.3.1
ip route add 10.6.0.0/16 via 192.168.3.1 src 192.168.0.3
reached
state_save before

for words in netdev=eth0 netdev=eth3 'netdev=eth0 --next netdev=eth3 vifnum=3'; do
	# shellcheck disable=SC2086 # several words
	xbr start $words
	expect "status says: up as asked" xbr-script status
	reached
	xbr stop
	reached
	state_same before
done
