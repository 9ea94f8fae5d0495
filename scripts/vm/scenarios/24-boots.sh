# shellcheck shell=bash
# Boot and shutdown, with each that configures a NIC: by the unit, again after a reset with the bridge up, and without the unit
# Packages: dhcpcd udhcpc
needs "this machine's own kernel (scripts/vm/here.sh)" test -n "${HERE-}"
dhcp_server 0
mkdir -p /var/lib/dhcp /var/lib/dhcpcd /etc/xen /etc/systemd/system/xbr-script.service.d
touch /etc/resolv.conf # dhcpcd.service wants to write there

# What starts guests writes down what it finds, and the unit how it ended.
cat >/usr/local/sbin/guests <<'END'
#!/bin/sh
bridge=no lan=no
xbr-script status >/dev/null 2>&1 && bridge=yes
ping -n -q -c 1 -W 5 192.168.0.1 >/dev/null 2>&1 && lan=yes
echo "guests $1: bridge $bridge, LAN $lan" >>/tmp/order
END
chmod 755 /usr/local/sbin/guests
printf '%s\n' '[Service]' Type=oneshot RemainAfterExit=yes 'ExecStart=/usr/local/sbin/guests start' 'ExecStop=/usr/local/sbin/guests stop' \
	'[Install]' WantedBy=multi-user.target >/etc/systemd/system/xendomains.service
printf '%s\n' '[Service]' "ExecStopPost=+/bin/sh -c 'echo \"the unit ended: \$SERVICE_RESULT\" >>/tmp/order'" \
	>/etc/systemd/system/xbr-script.service.d/order.conf

# udhcpc's script gives addresses no lifetime.
mv /etc/udhcpc/default.script /etc/udhcpc/debian.script
# shellcheck disable=SC2016 # it is for the script
printf '%s\n' '#!/bin/sh' 'echo "$1 $interface" >>/tmp/udhcpc.events' 'exec /etc/udhcpc/debian.script "$@"' >/etc/udhcpc/default.script
chmod 755 /etc/udhcpc/default.script

# Each of these is a host as it is installed; they are told dom0=.
auto_dhclient() { by_ifupdown dhclient 'auto eth0' 'iface eth0 inet dhcp'; }
auto_static() { by_ifupdown '' 'auto eth0' 'iface eth0 inet static' 'address 192.168.0.100/24' 'gateway 192.168.0.1'; }
hotplug_dhclient() { by_ifupdown dhclient 'allow-hotplug eth0' 'iface eth0 inet dhcp'; }
hotplug_dhcpcd() { by_ifupdown dhcpcd 'allow-hotplug eth0' 'iface eth0 inet dhcp'; }
hotplug_static() { by_ifupdown '' 'allow-hotplug eth0' 'iface eth0 inet static' 'address 192.168.0.100/24' 'gateway 192.168.0.1'; }
auto_udhcpc() { by_ifupdown udhcpc 'auto eth0' 'iface eth0 inet dhcp'; }
# One for all interfaces leaves bridges alone, unless its configuration names them.
dhcpcd_service() {
	client dhcpcd
	enable dhcpcd
	[ "$1" != bridge ] || echo 'interface eth0' >>/etc/dhcpcd.conf
}
dhcpcd_instance() {
	client dhcpcd
	enable dhcpcd@eth0
}
networkd() {
	printf '%s\n' '[Match]' 'Name=eth0' '[Network]' 'DHCP=ipv4' >/etc/systemd/network/eth0.network
	enable systemd-networkd
}

# by_ifupdown CLIENT LINE...: with these lines, and of DHCP clients that one alone.
by_ifupdown() {
	printf '%s\n' "${@:2}" >/etc/network/interfaces
	client "$1"
	enable networking
}
client() {
	local name path
	for name in dhclient dhcpcd udhcpc; do
		path=$(command -v "$name" "$name.away" | head -n 1) || continue
		path=${path%.away}
		if [ "$name" = "$1" ]; then
			[ ! -e "$path.away" ] || mv "$path.away" "$path"
		else
			[ ! -e "$path" ] || mv "$path" "$path.away"
		fi
	done
	[ -z "$1" ] || command -v "$1" >/dev/null
}
enable() { systemctl -q enable "$@" xbr-script xendomains 2>/dev/null; }

# installed HOST DOM0: what is on the disk.
installed() {
	systemctl -q disable networking dhcpcd dhcpcd@eth0 systemd-networkd 2>/dev/null || true
	[ -e /etc/dhcpcd.debian ] || cp /etc/dhcpcd.conf /etc/dhcpcd.debian
	cp /etc/dhcpcd.debian /etc/dhcpcd.conf
	rm -rf /etc/network/interfaces /etc/systemd/network/* /var/lib/dhcp/* /var/lib/dhcpcd/*
	"$@"
	echo "netdev=eth0 dom0=$2" >/etc/xen/xbr-script.conf
}

explain() {
	ip addr
	ip route
	cat /tmp/order
	journalctl --no-pager -o short-monotonic -u xbr-script -u systemd-networkd -u dhcpcd -u networking -u 'ifup@*' -u xendomains | tail -n 80
	systemctl list-jobs --no-pager
}

# booted_up: with the bridge.
booted_up() {
	begin_systemd
	expect "guests have found the bridge and the LAN" grep -qx 'guests start: bridge yes, LAN yes' /tmp/order
	expect "status says: up as asked" xbr-script status
	expect "nothing is on peth0" on_nothing peth0
	expect "the LAN reaches the host" answers 192.168.0.100 lan 0
}
on_nothing() { [ -z "$(ip -4 addr show "$1")" ]; }

# goes_on: the lease, if there is one.
goes_on() {
	case $host in
	*_static) ;;
	*_udhcpc) : >/tmp/udhcpc.events && expect "the lease is renewed" wait_for 200 grep -qx "renew eth0" /tmp/udhcpc.events ;;
	*) expect "the lease is renewed" renews eth0 ;;
	esac
}

# shut_down: as systemctl poweroff does it.
shut_down() {
	local begin=$EPOCHREALTIME
	power_off
	wait_for 300 systemd_ended || fail "systemd does not end"
	say "shut down in $(since "$begin") s, after which the NIC has: $(ip -br addr show eth0)"
	expect "no service had to be killed" none_killed
}
none_killed() { ! journalctl --no-pager -o cat | grep -E 'timed out|State .stop-sigterm. timed out|Failed with result .timeout'; }

# life HOST DOM0: of a machine.
life() {
	host=$1
	say "== $1, dom0=$2"
	as_new 0
	installed "$1" "$2"
	: >/tmp/order
	say "the first boot with the unit"
	booted_up
	goes_on
	shut_down
	show </tmp/order
	expect "it was there to the end of the guests, and then not" diff <(printf '%s\n' 'guests start: bridge yes, LAN yes' \
		'guests stop: bridge yes, LAN yes' 'the unit ended: success') /tmp/order
	expect "the NIC is the host's again" ip link show eth0
	refute "it has no other name" ip link show peth0
	refute "no bridge stays" grep . <(ip -br link show type bridge)

	say "boot, and a reset with the bridge up"
	as_new 0
	: >/tmp/order
	booted_up
	reset
	as_new 0
	: >/tmp/order
	booted_up
	goes_on

	say "a reset with the bridge up, and a boot without the unit"
	systemctl -q disable xbr-script xendomains
	reset
	as_new 0
	begin_systemd
	refute "nothing is up" xbr-script status
	expect "the LAN reaches the host" answers 192.168.0.100 lan 0
	goes_on
	reset
}

# systemd and D-Bus answer those alone that they see.
xbr-script() { if [ -n "${init-}" ]; then inside xbr-script "$@"; else command xbr-script "$@"; fi; }

# boot lays out what is on the disk of each, and runs systemd for the first time.
boot
reset
for host in ${HOSTS:-auto_dhclient auto_static hotplug_dhclient hotplug_static hotplug_dhcpcd auto_udhcpc dhcpcd_service dhcpcd_instance networkd}; do
	for dom0 in ${SHAPES:-veth bridge}; do life "$host" "$dom0"; done
done
