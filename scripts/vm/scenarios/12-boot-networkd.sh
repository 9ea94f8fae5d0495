# shellcheck shell=bash
# The boot unit, with DHCP by systemd-networkd: the lease is renewed after start and stop
dhcp_server 0
printf '%s\n' '[Match]' 'Name=eth0' '[Network]' 'DHCP=ipv4' >/etc/systemd/network/eth0.network
printf '%s\n' '[Match]' 'Name=peth* vif* veth* xenbr*' '[Link]' 'Unmanaged=yes' >/etc/systemd/network/05-xen.network
mkdir -p /etc/xen
echo 'bridge=xenbr0 netdev=eth0' >/etc/xen/xbr-script.conf
boot systemd-networkd
log xbr-script systemd-networkd
expect "the unit is up" systemctl -q is-active xbr-script
expect "status says: up as asked" xbr-script status
expect "the LAN reaches the host" answers 192.168.0.100 lan 0
expect "the lease is renewed" renews eth0
expect "and again" renews eth0
expect "the LAN reaches the host" answers 192.168.0.100 lan 0

expect "the unit stops" systemctl stop xbr-script
refute "nothing is up" xbr-script status
expect "the LAN reaches the host" answers 192.168.0.100 lan 0
expect "the lease is renewed" renews eth0
expect "and again" renews eth0
expect "the LAN reaches the host" answers 192.168.0.100 lan 0
