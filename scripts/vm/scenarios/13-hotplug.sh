# shellcheck shell=bash
# A NIC that ifupdown brings up by allow-hotplug, as Debian's installer writes it: systemd keeps its unit, static or with DHCP
printf '%s\n' 'allow-hotplug eth0 eth1' 'iface eth0 inet static' 'address 192.168.0.2/24' 'gateway 192.168.0.1' 'iface eth1 inet dhcp' \
	>/etc/network/interfaces
ip -n lan0 addr add 192.168.0.1/24 dev wire
mkdir -p /var/lib/dhcp /etc/xen
# Debian 13's ifupdown would take dhcpcd, which is not here.
if command -v dhclient >/dev/null; then
	dhcp_server 1
else
	sed -i 's/ eth1$//; /eth1/d' /etc/network/interfaces
fi
boot networking
# systemd answers those alone that it sees.
xbr-script() { inside xbr-script "$@"; }
explain() {
	journalctl --no-pager -o short-monotonic --unit='ifup@*' | tail -n 40
	ip addr
}
# is_up: ifup's unit is, and the host can be reached.
is_up() { answers 192.168.0.2 lan 0 && systemctl -q is-active ifup@eth0; }
# file_left: systemd has a file of ours.
file_left() { grep -rq . /run/systemd/system/ifup@*; }
# bound: systemd would end the unit with the device eth0.
bound() { systemctl show --property=BindsTo ifup@eth0 | grep -q device; }
expect "ifup's unit is up" is_up
expect "it is bound to the NIC" bound
! command -v dhclient >/dev/null || expect "the LAN reaches the host by DHCP's address" answers 192.168.1.100 lan 1
ip -4 route show table all >/tmp/routes

for shape in '' dom0=bridge; do
	say "start $shape"
	# shellcheck disable=SC2086 # it may be empty
	xbr start $shape
	udevadm settle
	expect "ifup's unit is up" is_up
	refute "it is not bound" bound
	# What an upgrade of any package does.
	expect "systemd reads its units anew" systemctl daemon-reload
	expect "ifup's unit is up" is_up
	[ -n "$shape" ] || expect "the routes are those from before" diff /tmp/routes <(ip -4 route show table all)
	expect "ifupdown as a whole restarts" systemctl restart networking
	expect "ifup's unit is up" is_up
	expect "ifdown takes dom0's interface down" inside ifdown eth0
	expect "the NIC stays a port" test -e /sys/class/net/peth0/master
	expect "ifup brings it up" inside ifup eth0
	expect "ifup's unit is up" is_up
	expect "status says: up as asked" xbr-script status
	xbr stop
	udevadm settle
	expect "ifup's unit is up" is_up
	expect "it is bound to the NIC" bound
	refute "no file stays" file_left
	expect "the routes are those from before" diff /tmp/routes <(ip -4 route show table all)
done

say "killed in the middle of start, and recovered"
renamed() { [ -e /sys/class/net/peth0 ]; }
killed_when renamed start
xbr recover
udevadm settle
expect "ifup's unit is up" is_up
expect "it is bound to the NIC" bound
refute "no file stays" file_left

say "not confirmed"
xbr start confirm=1
expect "not confirmed, the change is taken back" wait_for 100 taken_back
udevadm settle
expect "ifup's unit is up" is_up
expect "it is bound to the NIC" bound

if command -v dhclient >/dev/null; then
	say "DHCP"
	expect "the LAN reaches the host" answers 192.168.1.100 lan 1
	for shape in '' dom0=bridge; do
		# shellcheck disable=SC2086 # it may be empty
		xbr start netdev=eth1 $shape
		expect "the lease is renewed" renews eth1
		expect "ifup's unit is up" systemctl -q is-active ifup@eth1
		[ -z "$shape" ] || {
			# The dhclient that is run now hears by dom0's interface, which stop removes.
			expect "ifupdown takes dom0's interface down, and up" inside sh -c 'ifdown eth1 && ifup eth1'
			expect "the LAN reaches the host" answers 192.168.1.100 lan 1
		}
		xbr stop
		expect "the lease is renewed" renews eth1
		expect "ifup's unit is up" systemctl -q is-active ifup@eth1
	done
fi

say "the NIC is pulled out: systemd ends its unit, as on a host without a bridge"
ip link set eth0 down
ip link set eth0 name other0
expect "systemd ends ifup's unit when the NIC has another name" wait_for 100 ended ifup@eth0
