# shellcheck shell=bash
# The boot unit, with DHCP by systemd-networkd: it follows, and the lease is renewed after start and stop, or all is put back
# systemd 257 gives the NIC up, and takes the address off it, while it is moved.
needs "bookworm, for xbr-script does not hold a newer systemd-networkd still while the NIC moves" suite bookworm
dhcp_server 0
printf '%s\n' '[Match]' 'Name=eth0' '[Network]' 'DHCP=ipv4' >/etc/systemd/network/eth0.network
mkdir -p /etc/xen
echo 'bridge=xenbr0 netdev=eth0' >/etc/xen/xbr-script.conf
boot systemd-networkd
# systemd answers those alone that it sees.
xbr-script() { inside xbr-script "$@"; }
log xbr-script systemd-networkd
expect "the unit is up" systemctl -q is-active xbr-script
expect "status says: up as asked" xbr-script status
expect "the LAN reaches the host" answers 192.168.0.100 lan 0
expect "the lease is renewed" renews eth0

expect "the unit stops" systemctl stop xbr-script
refute "nothing is up" xbr-script status
expect "the LAN reaches the host" answers 192.168.0.100 lan 0
expect "the lease is renewed" renews eth0

xbr start
expect "the lease is renewed" renews eth0
unplug 0
plug 0
expect "the LAN reaches the host" answers 192.168.0.100 lan 0
refute "with the cable out and in, nothing is on peth0" grep . <(ip -4 addr show peth0)
expect "the lease is renewed" renews eth0
xbr stop
expect "the lease is renewed" renews eth0

said() { "$@" >/tmp/said 2>&1; }
# put_back HINT: start fails, says so, and the lease lives on.
put_back() {
	refute "start fails" said xbr-script start
	show </tmp/said
	expect "it says what to do" grep -q -- "$1" /tmp/said
	expect "the LAN reaches the host" answers 192.168.0.100 lan 0
	expect "the lease is renewed" renews eth0
}
printf '%s\n' '[Match]' 'PermanentMACAddress=52:54:00:12:00:00' '[Network]' 'DHCP=ipv4' >/etc/systemd/network/eth0.network
say "a .network file that fits the NIC alone"
put_back Name=eth0
printf '%s\n' '[Match]' 'Type=ether' '[Network]' 'DHCP=ipv4' >/etc/systemd/network/eth0.network
say "a .network file that fits the bridge, too"
put_back Unmanaged=yes
expect "what the hint says helps" sh -c "$(grep -o 'printf .*' /tmp/said)"
xbr start
expect "the lease is renewed" renews eth0
