# shellcheck shell=bash
# The boot unit, with DHCP by systemd-networkd: it follows, and the lease is renewed after start and stop, or all is put back
dhcp_server 0
printf '%s\n' '[Match]' 'Name=eth0' '[Network]' 'DHCP=ipv4' >/etc/systemd/network/eth0.network
mkdir -p /etc/xen
echo 'bridge=xenbr0 netdev=eth0' >/etc/xen/xbr-script.conf
boot systemd-networkd
# systemd answers those alone that it sees.
xbr-script() { inside xbr-script "$@"; }
# explain: what systemd-networkd has done, where something fails.
explain() {
	journalctl --no-pager -o short-monotonic --unit=systemd-networkd --unit=xbr-script | tail -n 80
	ip addr
	cat /tmp/udhcpd.*.log
}
log xbr-script systemd-networkd
expect "the unit is up" systemctl -q is-active xbr-script
expect "status says: up as asked" xbr-script status
expect "the LAN reaches the host" answers 192.168.0.100 lan 0
expect "the lease is renewed" renews eth0

expect "the unit stops" systemctl stop xbr-script
refute "nothing is up" xbr-script status
expect "the LAN reaches the host" answers 192.168.0.100 lan 0
expect "the lease is renewed" renews eth0

# When it begins anew, it takes off what it has not given itself.
ip addr add 198.51.100.7/32 dev eth0
ip route add 10.77.0.0/16 via 192.168.0.1
ip rule add from 198.51.100.7 lookup 77 priority 5000
theirs() {
	grep -q 198.51.100.7/32 <(ip addr show dev eth0) && grep -q 'via 192.168.0.1 dev eth0' <(ip route show 10.77.0.0/16) &&
		grep -q 'lookup 77' <(ip rule show priority 5000)
}
xbr start
expect "what others have added is dom0's" theirs
expect "the lease is renewed" renews eth0
unplug 0
plug 0
expect "the LAN reaches the host" answers 192.168.0.100 lan 0
refute "with the cable out and in, nothing is on peth0" grep . <(ip -4 addr show peth0)
expect "the lease is renewed" renews eth0
xbr stop
expect "what others have added is the NIC's again" theirs
expect "the lease is renewed" renews eth0
ip rule del priority 5000

# is_frozen: systemd-networkd is held still. It needs no other process to find out.
is_frozen() {
	local events
	mapfile -t events <"/sys/fs/cgroup$group/cgroup.events"
	[[ ${events[*]} == *'frozen 1'* ]]
}
group=$(systemctl show --property=ControlGroup --value systemd-networkd)
# killed_frozen COMMAND: the call is killed as soon as it has frozen systemd-networkd,
# and what it has begun is taken back.
killed_frozen() {
	killed_when is_frozen "$1"
	expect "$1 is killed, and systemd-networkd still frozen" is_frozen
	xbr recover
	refute "it runs again" is_frozen
	expect "the LAN reaches the host" answers 192.168.0.100 lan 0
	expect "the lease is renewed" renews eth0
}
killed_frozen start
refute "nothing is up" xbr-script status
xbr start
killed_frozen stop
expect "status says: up as asked" xbr-script status
xbr stop

xbr start confirm=1
expect "not confirmed, the change is taken back" wait_for 100 taken_back
expect "the LAN reaches the host" answers 192.168.0.100 lan 0
expect "the lease is renewed" renews eth0
refute "systemd-networkd is not frozen" is_frozen

# followed TEXT: the .network file is systemd-networkd's from now on; it follows to
# dom0's interface by files of its own, and back, and nothing of them stays.
followed() {
	say "$1"
	cat >/etc/systemd/network/eth0.network
	systemctl restart systemd-networkd
	expect "the lease is renewed" renews eth0
	xbr start
	show < <(head /run/systemd/network/*xbr-script* /run/systemd/network/*/*xbr-script* 2>/dev/null)
	expect "the lease is renewed" renews eth0
	refute "nothing is on peth0" grep . <(ip -4 addr show peth0)
	unplug 0
	plug 0
	expect "the LAN reaches the host" answers 192.168.0.100 lan 0
	xbr stop
	refute "no file stays" grep -r . /run/systemd/network
	expect "the lease is renewed" renews eth0
	expect "the LAN reaches the host" answers 192.168.0.100 lan 0
}
followed "a .network file that fits the NIC alone, as netplan's" <<-END
	[Match]
	PermanentMACAddress=52:54:00:12:00:00
	Name=eth0
	[Network]
	DHCP=ipv4
END
killed_frozen start
followed "a .network file that fits the bridge, too" <<-END
	[Match]
	Type=ether
	[Network]
	DHCP=ipv4
END

say "dom0=bridge"
xbr start dom0=bridge bridge=lan
expect "the lease is renewed" renews lan
xbr stop bridge=lan netdev=eth0
refute "no file stays" grep -r . /run/systemd/network
expect "the lease is renewed" renews eth0

# said COMMAND...: keeps what it says.
said() { "$@" >/tmp/said 2>&1; }
printf '%s\n' '[Match]' 'Name=*' '[Link]' Unmanaged=yes >/run/systemd/network/0-all.network
say "a file that comes before all others, and is for none"
refute "start fails" said xbr-script start
show </tmp/said
expect "it says what it is about" grep -q -- "does not fit eth0" /tmp/said
expect "the LAN reaches the host" answers 192.168.0.100 lan 0
