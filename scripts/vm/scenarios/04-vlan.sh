# shellcheck shell=bash
# VLANs on the NIC keep working, and keep what they have
give 0 192.168.0.2/24 192.168.0.1/24
ip link add link eth0 name eth0.10 type vlan id 10
ip link set eth0.10 up
ip addr add 192.168.10.2/24 dev eth0.10
ip addr add 192.168.10.3/24 dev eth0.10 label eth0.10:a
ip addr add 2001:db8:10::2/64 dev eth0.10
ip route add 10.10.0.0/16 via 192.168.10.1
ip route add default via 192.168.10.1 metric 9 table 10
ip -6 route add 2001:db8:11::/48 via 2001:db8:10::1 metric 7
ip neigh add 192.168.10.50 lladdr 52:54:00:00:00:50 nud permanent dev eth0.10
# One that is down, with an address: it stays so.
ip link add link eth0 name eth0.20 type vlan id 20
ip addr add 192.168.20.2/24 dev eth0.20
# And one on the VLAN.
ip link add link eth0.10 name eth0.10.5 type vlan id 5
ip link set eth0.10.5 up
ip addr add 192.168.15.2/24 dev eth0.10.5
ip addr add 2001:db8:15::2/64 dev eth0.10.5

ip -n lan0 link add link wire name wire.10 type vlan id 10
ip -n lan0 link set wire.10 up
ip -n lan0 addr add 192.168.10.1/24 dev wire.10
ip -n lan0 addr add 2001:db8:10::1/64 dev wire.10
ip -n lan0 link add link wire.10 name wire.10.5 type vlan id 5
ip -n lan0 link set wire.10.5 up
ip -n lan0 addr add 192.168.15.1/24 dev wire.10.5

reached() {
	expect "the LAN reaches the host" answers 192.168.0.2 lan 0
	expect "the VLAN reaches the host" answers 192.168.10.2 lan 0
	expect "the host reaches the VLAN" answers 192.168.10.1
	expect "the VLAN reaches the host over IPv6" answers 2001:db8:10::2 lan 0
	expect "the VLAN on the VLAN reaches the host" answers 192.168.15.2 lan 0
}

# What is to be seen of the VLANs, but for the name of the NIC below.
vlans() {
	ip addr show type vlan | sed 's/@p\?eth0/@eth0/; s/ qdisc noop / qdisc noqueue /'
	ip -4 route show table all | grep 'eth0\.'
	ip -6 route show table all | grep 'eth0\.' | sort
	ip neigh show nud permanent | grep 'eth0\.'
}

reached
state_save before
vlans >/tmp/vlans.before
xbr start netdev=eth0
expect "status says: up as asked" xbr-script status
reached
settle
vlans >/tmp/vlans.up
expect "while eth0 is in the bridge the VLANs have every address, route and neighbour" \
	diff -U0 /tmp/vlans.before /tmp/vlans.up
xbr stop
reached
state_same before
