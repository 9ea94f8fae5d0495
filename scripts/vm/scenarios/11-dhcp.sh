# shellcheck shell=bash
# DHCP by ifupdown and isc-dhcp-client, on a NIC and on a bond, and by udhcpc: the lease is renewed after start and after stop
needs "isc-dhcp-client" command -v dhclient
dhcp_server 0
mkdir -p /run/network /var/lib/dhcp
printf '%s\n' 'iface eth0 inet dhcp' >/etc/network/interfaces
expect "ifup brings eth0 up" ifup eth0
expect "the LAN reaches the host" answers 192.168.0.100 lan 0
ip -4 route show table all >/tmp/routes

xbr start
expect "status says: up as asked" xbr-script status
expect "the routes are those from before" diff /tmp/routes <(ip -4 route show table all)
expect "the lease is renewed" renews eth0
expect "the LAN reaches the host" answers 192.168.0.100 lan 0

xbr stop
expect "the routes are those from before" diff /tmp/routes <(ip -4 route show table all)
expect "the lease is renewed" renews eth0
expect "the LAN reaches the host" answers 192.168.0.100 lan 0

# The client's own end, on the NIC in the bridge.
xbr start
expect "ifdown gives the lease back" ifdown eth0
expect "and takes the address off" [ -z "$(ip -4 addr show eth0)" ]
xbr stop

# The same on a bond.
modprobe bonding max_bonds=0
ip link add bond0 type bond mode active-backup miimon 100
ip link set eth2 master bond0
ip link set eth3 master bond0
ip link set bond0 type bond primary eth2
dhcp_server 2
printf '%s\n' 'iface bond0 inet dhcp' >>/etc/network/interfaces
expect "ifup brings bond0 up" ifup bond0
expect "the LAN reaches the host" answers 192.168.2.100 lan 2
xbr start netdev=bond0
expect "status says: up as asked" xbr-script status
expect "pbond0 is a port of xenbr0" is_port pbond0 xenbr0
expect "the lease is renewed" renews bond0
expect "the LAN reaches the host" answers 192.168.2.100 lan 2
xbr stop
expect "the lease is renewed" renews bond0
expect "the LAN reaches the host" answers 192.168.2.100 lan 2

# busybox's udhcpc, whose script gives addresses no lifetime.
cat >/tmp/udhcpc.script <<'SCRIPT'
#!/bin/sh
echo "$1 $interface" >>/tmp/udhcpc.events
case $1 in
bound | renew) ip addr replace "$ip/$mask" dev "$interface" ;;
esac
SCRIPT
chmod 755 /tmp/udhcpc.script
# renewed_again NIC: asserts that the lease is renewed once more.
renewed_again() {
	: >/tmp/udhcpc.events
	wait_for 200 grep -qx "renew $1" /tmp/udhcpc.events
}
dhcp_server 1
ip link set eth1 up
busybox udhcpc -f -i eth1 -s /tmp/udhcpc.script >/tmp/udhcpc.log 2>&1 &
expect "the LAN reaches the host" answers 192.168.1.100 lan 1
xbr start netdev=eth1
expect "udhcpc renews the lease" renewed_again eth1
expect "the LAN reaches the host" answers 192.168.1.100 lan 1
xbr stop
expect "udhcpc renews the lease" renewed_again eth1
expect "the LAN reaches the host" answers 192.168.1.100 lan 1
