# shellcheck shell=bash
# As Debian 13's installer leaves a host: ifupdown with allow-hotplug, DHCP by dhcpcd, which is run again for dom0's interface, and for the NIC
rm -f /sbin/dhclient # ifupdown would take it on Debian 12
printf '%s\n' 'allow-hotplug eth0' 'iface eth0 inet dhcp' >/etc/network/interfaces
mkdir -p /var/lib/dhcpcd /etc/xen
dhcp_server 0
boot networking
# systemd answers those alone that it sees, and it has its own process ids.
xbr-script() { inside xbr-script "$@"; }
explain() {
	journalctl --no-pager -o short-monotonic --unit='ifup@*' --unit=xbr-script | tail -n 60
	inside ps -e -o pid,args | grep dhcpcd
	ip addr
}
# is_up: ifup's unit is, the host can be reached, and one dhcpcd looks after eth0.
is_up() {
	answers 192.168.0.100 lan 0 && systemctl -q is-active ifup@eth0 &&
		grep -q . <(inside dhcpcd --dumplease eth0)
}
# file_left: systemd has a file of ours.
file_left() { grep -rq . /run/systemd/system/ifup@* 2>/dev/null; }
expect "dhcpcd has a lease for eth0" is_up
expect "the lease is renewed" renews eth0
show < <(xbr-script status || true)

for shape in '' dom0=bridge; do
	say "start $shape"
	# shellcheck disable=SC2086 # it may be empty
	xbr start $shape
	expect "dhcpcd has a lease for eth0" is_up
	expect "the lease is renewed" renews eth0
	refute "nothing is on peth0" grep . <(ip -4 addr show peth0)
	xbr stop
	expect "dhcpcd has a lease for eth0" is_up
	expect "the lease is renewed" renews eth0
	refute "no file stays" file_left
done

say "not confirmed"
xbr start confirm=1
expect "not confirmed, the change is taken back" wait_for 100 taken_back
expect "dhcpcd has a lease for eth0" is_up
expect "the lease is renewed" renews eth0

say "by the unit, which does not let it do everything"
echo 'netdev=eth0 antispoof=yes' >/etc/xen/xbr-script.conf
expect "the unit starts" systemctl start xbr-script
expect "status says: up as asked" xbr-script status
expect "dhcpcd has a lease for eth0" is_up
expect "the lease is renewed" renews eth0
expect "the unit stops" systemctl stop xbr-script
log xbr-script
expect "dhcpcd has a lease for eth0" is_up
expect "the lease is renewed" renews eth0
