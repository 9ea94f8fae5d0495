# shellcheck shell=bash
# antispoof=yes against a guest that forges, with Debian's vif-bridge and with Xen's own
give 0 192.168.0.2/24 192.168.0.1/24
ip route add default via 192.168.0.1
expect "the LAN reaches the host" answers 192.168.0.2 lan 0
state_save before
host=52:54:00:12:00:00 # eth0's MAC address

# Each has its address; the second names none in its vif line.
evil() {
	guest evil <<-'END'
		vif = [ "mac=00:16:3e:00:00:66,ip=192.168.0.66 192.168.9.0/24,bridge=xenbr0" ]
	END
	expect "evil has its address" in_guest evil "ip addr add 192.168.0.66/24 dev eth0 && ip link set eth0 up"
}
free() {
	guest free <<-'END'
		vif = [ "mac=00:16:3e:00:00:77,bridge=xenbr0" ]
	END
	expect "free has its address" in_guest free "ip addr add 192.168.0.77/24 dev eth0 && ip link set eth0 up"
}

# sends GUEST ADDRESS...: pings the LAN from each address.
sends() {
	local text="ping -c 1 -W 1 192.168.0.1 >/dev/null" address
	for address in "${@:2}"; do
		text+="; ip addr add $address/32 dev eth0; ping -c 2 -W 1 -I $address 192.168.0.1 >/dev/null"
		text+="; ip addr del $address/32 dev eth0"
	done
	in_guest "$1" "$text; true"
}

# hear_lan: /tmp/heard begins anew.
hear_lan() {
	[ -z "${hearing-}" ] || kill "$hearing"
	ip netns exec lan0 probe hear wire >/tmp/heard &
	hearing=$!
	until grep -qx hearing /tmp/heard; do sleep 0.1; done
}

# passes, stopped MAC ADDRESS WHAT: IPv4 from there arrived in the LAN, or did not.
heard() { grep "^$1 .* IPv4 $2 to 192.168.0.1 " /tmp/heard; }
passes() { expect "passes: $3" heard "$1" "$2"; }
stopped() { refute "stopped: $3" heard "$1" "$2"; }

# evil_sends: as itself, a stranger, another guest, dom0.
evil_sends() {
	say "$1"
	hear_lan
	sends evil 192.168.0.99 192.168.0.77 192.168.0.2 192.168.9.5
}

evil=00:16:3e:00:00:66
free=00:16:3e:00:00:77

xbr start
evil
evil_sends "without antispoof"
passes $evil 192.168.0.66 "evil as itself"
passes $evil 192.168.0.99 "evil as a stranger"
passes $evil 192.168.0.77 "evil as another guest"
passes $evil 192.168.0.2 "evil as dom0"

# as_dom0: evil says with dom0's MAC address that it is there, while the LAN pings dom0.
as_dom0() {
	pings_begin 0 192.168.0.2
	in_guest evil "ip link set eth0 down; ip link set eth0 address $host; ip link set eth0 up;
		arping -q -c 3 -U -I eth0 192.168.0.66;
		ip link set eth0 down; ip link set eth0 address $evil; ip link set eth0 up"
	# Dom0 is heard of again.
	expect "dom0 reaches the LAN" answers 192.168.0.1
	sleep 1
	pings_end 0
}
as_dom0
refute "passes: evil with dom0's MAC address, and gets what is sent to dom0" none_missing 0

xbr start antispoof=yes
expect "start names the reason and the ways out" grep -q 'Debian bug #894013' /tmp/said
evil_sends "antispoof=yes with Debian's vif-bridge, which makes no rules for guests"
for address in 66 99 77 2; do
	stopped $evil "192.168.0.$address" "IPv4 of evil, as 192.168.0.$address"
done

xbr start antispoof=yes guests=allow
evil_sends "antispoof=yes guests=allow with Debian's vif-bridge"
passes $evil 192.168.0.66 "evil as itself"
passes $evil 192.168.0.99 "evil as a stranger"
passes $evil 192.168.0.77 "evil as another guest"
stopped $evil 192.168.0.2 "evil as dom0"
as_dom0
expect "stopped: evil with dom0's MAC address; of $(answered 0) pings of dom0 none is lost" none_missing 0

guest_gone evil
upstream_vif_bridge
xbr start antispoof=yes guests=rules
evil
free
evil_sends "antispoof=yes with Xen's own vif-bridge"
passes $evil 192.168.0.66 "evil as itself"
passes $evil 192.168.9.5 "evil as one of a network in its ip="
stopped $evil 192.168.0.99 "evil as a stranger"
stopped $evil 192.168.0.77 "evil as another guest"
stopped $evil 192.168.0.2 "evil as dom0"
as_dom0
expect "stopped: evil with dom0's MAC address; of $(answered 0) pings of dom0 none is lost" none_missing 0
sends free 192.168.0.99 192.168.0.66 192.168.0.2
passes $free 192.168.0.77 "a guest without ip= as itself"
passes $free 192.168.0.99 "a guest without ip= as a stranger"
passes $free 192.168.0.66 "a guest without ip= as another guest"
stopped $free 192.168.0.2 "a guest without ip= as dom0"
# What iptables does not see.
in_guest evil "ip addr add 192.168.0.1/32 dev eth0; arping -q -c 2 -U -I eth0 192.168.0.1; ip addr del 192.168.0.1/32 dev eth0"
expect "passes, as docs/antispoof.md says: ARP of evil, \"the gateway is here\"" \
	grep "^$evil .* ARP 1 192.168.0.1 is $evil" /tmp/heard
guest_gone evil
guest_gone free
kill "$hearing"

xbr stop
expect "the LAN reaches the host" answers 192.168.0.2 lan 0
state_same before
