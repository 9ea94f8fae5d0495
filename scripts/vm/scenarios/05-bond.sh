# shellcheck shell=bash
# A bond of two NICs (active-backup) as netdev
modprobe bonding max_bonds=0
ip link add bond0 type bond mode active-backup miimon 100
ip link set eth1 master bond0
ip link set eth2 master bond0
ip link set bond0 up
ip addr add 192.168.0.2/24 dev bond0
ip addr add 2001:db8::2/64 dev bond0
ip route add default via 192.168.0.1

# Both cables lead to the same switch.
ip -n lan2 link set wire down
ip -n lan2 link set wire name wire2 netns lan1
ip -n lan1 link add switch type bridge forward_delay 0
ip -n lan1 link set wire master switch
ip -n lan1 link set wire2 master switch
ip -n lan1 link set wire2 up
ip -n lan1 link set switch up
ip -n lan1 addr add 192.168.0.1/24 dev switch
ip -n lan1 addr add 2001:db8::1/64 dev switch

active() { cat /sys/class/net/*bond0/bonding/active_slave; }

expect "the LAN reaches the host" answers 192.168.0.2 lan 1
say "the slave in use is $(active)"
state_save before

xbr start netdev=bond0
expect "status says: up as asked" xbr-script status
expect "pbond0 is a port of xenbr0" is_port pbond0 xenbr0
expect "the bond has both slaves" grep -qx 'eth1 eth2' /sys/class/net/pbond0/bonding/slaves
expect "the LAN reaches the host" answers 192.168.0.2 lan 1
expect "the LAN reaches the host over IPv6" answers 2001:db8::2 lan 1
unplug 1
expect "with eth1's cable out, the LAN reaches the host" answers 192.168.0.2 lan 1
expect "by eth2" [ "$(active)" = eth2 ]
plug 1
until ip -d link show eth1 | grep -q 'mii_status UP'; do sleep 0.1; done
echo eth1 >/sys/class/net/pbond0/bonding/active_slave

xbr stop
expect "the LAN reaches the host" answers 192.168.0.2 lan 1
state_same before
