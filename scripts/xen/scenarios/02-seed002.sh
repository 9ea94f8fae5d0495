# shellcheck shell=bash
# Three NICs and three bridges, by a wrapper, by one line, by the file: nobody hears a frame of another bridge
give 0 10.1.1.2/24 10.1.1.254/24
ip route add default via 10.1.1.254
# The other NICs are guests' alone.
ip -n lan1 addr add 10.1.2.254/24 dev wire
ip -n lan2 addr add 10.1.3.254/24 dev wire
expect "the LAN reaches the host" answers 10.1.1.2 lan 0
state_save before
ip route >/tmp/routes.before

wrapper my-network-script
network_script my-network-script start
expect "dom0's routes are those from before" diff /tmp/routes.before <(ip route)

guest domN <<'END'
vif = ['ip=10.1.1.230,mac=00:16:de:ad:fa:ce,bridge=xenbr0']
END
guest dom1 <<'END'
vif = ['ip=10.1.2.234,mac=00:16:de:ad:be:ef,bridge=xenbr1']
END
guest dom2 <<'END'
vif = ['ip=10.1.3.238,mac=00:16:be:ef:fa:ce,bridge=xenbr2']
END
guests=(domN dom1 dom2)
addresses=(10.1.1.230 10.1.2.234 10.1.3.238)
gateways=(10.1.1.254 10.1.2.254 10.1.3.254)
for n in 0 1 2; do
	expect "${guests[n]} has its address" in_guest "${guests[n]}" \
		"ip addr add ${addresses[n]}/24 dev eth0 && ip link set eth0 up && ip route add default via ${gateways[n]}"
done

bridges() {
	local n
	brctl_shows "$1" < <(
		echo $'bridge name\tbridge id\t\tSTP enabled\tinterfaces'
		for n in 0 1 2; do
			printf 'xenbr%d\t\t8000.feffffffffff\tno\t\tpeth%d\n' "$n" "$n"
			printf '\t\t\t\t\t\t\tvif0.%d\n' "$n"
			printf '\t\t\t\t\t\t\tvif%d.0\n' "$(xl domid "${guests[n]}")"
		done
	)
}

# reached N...: these networks work.
reached() {
	local n
	for n; do
		expect "${guests[n]} reaches its gateway in lan$n" reaches "${guests[n]}" "${gateways[n]}"
	done
}

bridges "each guest beside its NIC"
reached 0 1 2
expect "domN reaches dom0" reaches domN 10.1.1.2

# Who hears what, while everybody sends to one and to all.
probe hear eth0 >/tmp/heard.dom0 &
hearing=$!
for n in 0 1 2; do
	in_guest "${guests[n]}" "probe hear eth0 >/tmp/heard &"
done
until grep -qx hearing /tmp/heard.dom0; do sleep 0.1; done
for n in 0 1 2; do
	until in_guest "${guests[n]}" "grep -x hearing /tmp/heard" >/dev/null; do sleep 0.1; done
done
ip neigh flush all
for n in 0 1 2; do
	in_guest "${guests[n]}" "ip neigh flush dev eth0; arping -q -c 1 -U -I eth0 ${addresses[n]}" >/dev/null || true
	ip -n "lan$n" neigh flush all
	expect "lan$n reaches ${guests[n]}" answers "${addresses[n]}" lan "$n"
	# Nobody has this address: everybody on the wire is asked for it.
	lan "$n" ping -n -q -c 1 -W 1 "${gateways[n]%.*}.99" >/dev/null || true
done
reached 0 1 2
expect "domN reaches dom0" reaches domN 10.1.1.2
kill "$hearing"

# Whose frames belong where.
members=(
	'52:54:00:12:00:00|52:54:00:12:01:00|00:16:de:ad:fa:ce'
	'52:54:00:12:00:01|52:54:00:12:01:01|00:16:de:ad:be:ef'
	'52:54:00:12:00:02|52:54:00:12:01:02|00:16:be:ef:fa:ce'
)
# And what Linux in dom0 sends by a guest's port to that guest alone: where are
# IPv6 routers, which groups has anybody joined.
own_port='fe:ff:ff:ff:ff:ff 33:33:.* 86dd$'
# heard_only WHO N FILE: something of lanN, and nothing of the others.
heard_only() {
	expect "$1 heard lan$2" grep -q "^52:54:00:12:01:0$2 " "$3"
	refute "$1 heard nobody else, in $(grep -c ' ' "$3") kinds of frames" \
		grep -v -E "^(hearing\$|${members[$2]}|$own_port)" "$3"
}
heard_only "dom0's eth0" 0 /tmp/heard.dom0
for n in 0 1 2; do
	in_guest "${guests[n]}" "cat /tmp/heard" >"/tmp/heard.$n"
	heard_only "${guests[n]}" "$n" "/tmp/heard.$n"
done

unplug 0
expect "with eth0's cable out, domN does not reach its gateway" cut_off domN 10.1.1.254
reached 1 2
expect "domN reaches dom0" reaches domN 10.1.1.2
plug 0
reached 0

state_save up
for n in 0 1 2; do pings_begin "$n" "${addresses[n]}"; done
network_script my-network-script start
for n in 0 1 2; do
	pings_end "$n"
	expect "xend restarts: of $(answered "$n") pings of ${guests[n]} none is lost" none_missing "$n"
done
state_same up
network_script my-network-script stop

xbr start vifnum=0 netdev=eth0 bridge=xenbr0 --next vifnum=1 netdev=eth1 bridge=xenbr1 \
	--next vifnum=2 netdev=eth2 bridge=xenbr2
bridges "the same by one line, with the guests"
reached 0 1 2
expect "dom0's routes are those from before" diff /tmp/routes.before <(ip route)
xbr stop

cat >/etc/xen/xbr-script.conf <<'END'
vifnum=0 netdev=eth0 bridge=xenbr0
vifnum=1 netdev=eth1 bridge=xenbr1
vifnum=2 netdev=eth2 bridge=xenbr2
END
xbr start
bridges "the same by the file, with the guests"
reached 0 1 2
expect "dom0's routes are those from before" diff /tmp/routes.before <(ip route)
for guest in "${guests[@]}"; do guest_gone "$guest"; done
xbr stop
expect "the LAN reaches the host" answers 10.1.1.2 lan 0
state_same before
