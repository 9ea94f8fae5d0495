# shellcheck shell=bash
# The bridge itself as the host's interface: bridge=eth0, and under another name
modprobe 8021q
give 0 192.168.0.2/24 192.168.0.1/24
ip route add default via 192.168.0.1
ip addr add 192.168.0.22/24 dev eth0 label eth0:www
ip addr add 2001:db8::2/64 dev eth0
ip route add 2001:db8:1::/48 via 2001:db8::1
ip -n lan0 addr add 2001:db8::1/64 dev wire
ip link add link eth0 name eth0.5 type vlan id 5
ip addr add 192.168.5.2/24 dev eth0.5
ip link set eth0.5 up
expect "the LAN reaches the host" answers 192.168.0.2 lan 0
state_save before

# stands BRIDGE: all that a start has to bring about, on an interface of that name.
stands() {
	expect "status says: up as asked" xbr-script status
	expect "peth0 is a port of $1" is_port peth0 "$1"
	refute "there is no vif0.0" ip link show vif0.0
	expect "the default route leaves by $1" sh -c "ip route show default | grep -q 'via 192.168.0.1 dev $1'"
	expect "the LAN reaches the host" answers 192.168.0.2 lan 0
	expect "the host reaches the LAN" answers 192.168.0.1
	expect "the LAN reaches the host over IPv6" answers 2001:db8::2 lan 0
	expect "the host reaches the LAN over IPv6" answers 2001:db8::1
	state_save up
	xbr start
	state_same up
	xbr stop
	expect "the LAN reaches the host" answers 192.168.0.2 lan 0
	state_same before
}

xbr start bridge=eth0 netdev=eth0
stands eth0
xbr start bridge=xenbr0 netdev=eth0 dom0=bridge antispoof=yes
stands xenbr0
