# shellcheck shell=bash
# antispoof=strict by a kernel whose rules can ask for the bridge: guests that are admitted, that are not, that forge, in both shapes
give 0 192.168.0.2/24 192.168.0.1/24
explain() { xbr-script status; bridge fdb; cat /tmp/said; }
# guest PORT: a guest with that port in the bridge, and the address 192.168.0.11.
guest() {
	ip netns add "$1"
	ip link add "$1" type veth peer name eth0 netns "$1" address 00:16:3e:00:00:11
	ip -n "$1" link set eth0 up
	ip -n "$1" addr add 192.168.0.11/24 dev eth0
	ip link set "$1" up master "$bridge"
}
gone() { ! ip link show "$1" >/dev/null 2>&1; }
# reaches GUEST ADDRESS [PING'S OPTION...]
reaches() { ip netns exec "$1" ping -n -q -c 2 -i 0.2 -W 1 "${@:3}" "$2" >/dev/null 2>&1; }

for shape in dom0=veth dom0=bridge; do
	bridge=xenbr0
	[ "$shape" = dom0=veth ] || bridge=eth0
	xbr start "$shape" antispoof=strict
	xbr-script status >/tmp/said
	refute "this kernel's rules can ask for the bridge" grep -q NFT_BRIDGE_META /tmp/said
	expect "the LAN reaches the host" answers 192.168.0.2 lan 0
	# One port has a name as guests of Xen have it, the other has not.
	for port in vif1.0 odd0; do
		guest "$port"
		refute "$port: nobody has admitted it: it does not reach the LAN" reaches "$port" 192.168.0.1
		refute "nor the host" reaches "$port" 192.168.0.2
		expect "it is admitted" xbr-script admit port="$port" mac=00:16:3e:00:00:11 ip=192.168.0.11
		expect "it reaches the LAN" wait_for 20 reaches "$port" 192.168.0.1
		expect "it reaches the host" reaches "$port" 192.168.0.2
		expect "status says: up as asked" xbr-script status
		ip -n "$port" addr add 192.168.0.12/24 dev eth0
		refute "with another address it does not reach the LAN" reaches "$port" 192.168.0.1 -I 192.168.0.12
		ip -n "$port" link set eth0 address 00:16:3e:00:00:12
		refute "with another MAC address neither" reaches "$port" 192.168.0.1
		ip -n "$port" link set eth0 address 00:16:3e:00:00:11
		expect "with its own it does" wait_for 20 reaches "$port" 192.168.0.1
		expect "it is dismissed" xbr-script dismiss port="$port"
		refute "it does not reach the LAN any more" reaches "$port" 192.168.0.1
		ip netns del "$port"
		wait_for 50 gone "$port"
	done
	expect "the LAN reaches the host" answers 192.168.0.2 lan 0
	xbr stop
done
