# shellcheck shell=bash
# The boot unit, with DHCP by ifupdown and isc-dhcp-client: the lease is renewed after start and stop
dhcp_server 0
# As Debian's installer writes it: ifup is started for the device, as a unit that
# ends when the device is gone.
printf '%s\n' 'allow-hotplug eth0' 'iface eth0 inet dhcp' >/etc/network/interfaces
mkdir -p /etc/xen
echo 'bridge=xenbr0 netdev=eth0' >/etc/xen/xbr-script.conf
rm /etc/init.d/networking # systemctl would look for the programs of another init
boot networking
log xbr-script networking ifup@eth0
expect "the unit is up" systemctl -q is-active xbr-script
expect "status says: up as asked" xbr-script status
expect "the LAN reaches the host" answers 192.168.0.100 lan 0
expect "the lease is renewed" renews eth0
expect "ifup's unit is up" systemctl -q is-active ifup@eth0
expect "the LAN reaches the host" answers 192.168.0.100 lan 0

expect "the unit stops" systemctl stop xbr-script
refute "nothing is up" xbr-script status
expect "the LAN reaches the host" answers 192.168.0.100 lan 0
expect "the lease is renewed" renews eth0
expect "ifup's unit is up" systemctl -q is-active ifup@eth0

# Started again, now by hand: ifdown works on the card in the bridge.
xbr start
expect "ifdown gives the lease back" ifdown eth0
expect "and takes the address off" [ -z "$(ip -4 addr show eth0)" ]
