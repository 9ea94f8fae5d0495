# shellcheck shell=bash
# DHCP by ifupdown and isc-dhcp-client: the lease is renewed after start and after stop
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

# The client's own end, on the card in the bridge.
xbr start
expect "ifdown gives the lease back" ifdown eth0
expect "and takes the address off" [ -z "$(ip -4 addr show eth0)" ]
