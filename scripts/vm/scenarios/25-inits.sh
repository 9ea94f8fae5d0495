# shellcheck shell=bash
# Boot, shutdown and reset with sysvinit and with OpenRC as the first process: by the scripts for these, with ifupdown and dhcpcd
# Packages: dhcpcd sysvinit-core sysv-rc initscripts
needs "this machine's own kernel (scripts/vm/here.sh)" test -n "${HERE-}"
needs "sysvinit" command -v startpar
dhcp_server 0
mkdir -p /var/lib/dhcp /var/lib/dhcpcd /etc/xen /etc/rc{0,1,2,3,4,5,6,S}.d
touch /etc/resolv.conf /etc/profile

# Debian's own but for what would meddle with the disks, the clock and the swap of the
# machine that this runs on; and halt, which would stop disks.
busybox find /etc/init.d /etc/rc?.d /etc/runlevels -mindepth 1 ! -type d \
	! -path '/etc/init.d/rc' ! -name rcS ! -name networking ! -name dhcpcd ! -name sendsigs ! -name functions.sh -exec rm {} +
cat >/etc/init.d/udev <<'END'
#!/bin/sh
### BEGIN INIT INFO
# Provides:       udev mountkernfs urandom
# Required-Start:
# Required-Stop:
# Default-Start:  S
# Default-Stop:
### END INIT INFO
[ "$1" = start ] || exit 0
/lib/systemd/systemd-udevd --daemon
udevadm trigger --action=add --subsystem-match=net
udevadm settle
END
cat >/etc/init.d/umountnfs <<'END'
#!/bin/sh
### BEGIN INIT INFO
# Provides:       umountnfs
# Required-Start:
# Required-Stop:  networking
# Default-Start:
# Default-Stop:   0
### END INIT INFO
END
cat >/etc/init.d/halt <<'END'
#!/bin/sh
### BEGIN INIT INFO
# Provides:       halt umountfs
# Required-Start:
# Required-Stop:
# Default-Start:
# Default-Stop:   0
### END INIT INFO
[ "$1" = stop ] || exit 0
exec halt -f -d -n
END
# What starts guests writes down what it finds.
cat >/etc/init.d/xendomains <<'END'
#!/bin/sh
### BEGIN INIT INFO
# Provides:       xendomains
# Required-Start: $network $remote_fs
# Required-Stop:  $network $remote_fs
# Default-Start:  2 3 4 5
# Default-Stop:   0 1 6
### END INIT INFO
case $1 in start | stop) ;; *) exit 0 ;; esac
bridge=no lan=no
/usr/local/sbin/xbr-script status >/dev/null 2>&1 && bridge=yes
ping -n -q -c 1 -W 5 192.168.0.1 >/dev/null 2>&1 && lan=yes
echo "guests $1: bridge $bridge, LAN $lan" >>/tmp/order
END
chmod 755 /etc/init.d/*
printf '%s\n' id:2:initdefault: 'si::sysinit:/etc/init.d/rcS >>/tmp/started 2>&1' \
	'l0:0:wait:/etc/init.d/rc 0 >>/tmp/started 2>&1' 'l2:2:wait:/etc/init.d/rc 2 >>/tmp/started 2>&1' >/etc/inittab

# Each of these is a host as it is installed.
auto_dhclient() { by_ifupdown dhclient 'auto eth0' 'iface eth0 inet dhcp'; }
hotplug_static() { by_ifupdown '' 'allow-hotplug eth0' 'iface eth0 inet static' 'address 192.168.0.100/24' 'gateway 192.168.0.1'; }
hotplug_dhcpcd() { by_ifupdown dhcpcd 'allow-hotplug eth0' 'iface eth0 inet dhcp'; }
# One for all interfaces leaves bridges alone, unless its configuration names them.
dhcpcd_service() {
	printf '%s\n' 'auto lo' 'iface lo inet loopback' >/etc/network/interfaces
	client dhcpcd
	services=(dhcpcd)
	[ "$1" != bridge ] || echo 'interface eth0' >>/etc/dhcpcd.conf
}

# by_ifupdown CLIENT LINE...: with these lines, and of DHCP clients that one alone.
by_ifupdown() {
	printf '%s\n' "${@:2}" >/etc/network/interfaces
	client "$1"
	services=()
}
client() {
	local name path
	for name in dhclient dhcpcd; do
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

# installed INIT HOST DOM0: what is on the disk.
installed() {
	[ -e /etc/dhcpcd.debian ] || cp /etc/dhcpcd.conf /etc/dhcpcd.debian
	cp /etc/dhcpcd.debian /etc/dhcpcd.conf
	rm -rf /etc/network/interfaces /var/lib/dhcp/* /var/lib/dhcpcd/* /etc/rc?.d/* /etc/runlevels/*/* /etc/init.d/.depend.*
	"$2" "$3"
	echo "netdev=eth0 dom0=$3" >/etc/xen/xbr-script.conf
	"enabled_by_$1"
}

# As update-rc.d does.
enabled_by_sysvinit() {
	cp /vm/xbr-script.sysv /etc/init.d/xbr-script
	show < <(insserv -f udev networking "${services[@]}" sendsigs umountnfs halt xbr-script xendomains 2>&1)
}
enabled_by_openrc() {
	cp /vm/xbr-script.openrc /etc/init.d/xbr-script
	mkdir -p /etc/runlevels/{sysinit,boot,default,shutdown}
	local service
	for service in udev networking; do rc-update -q add "$service" sysinit; done
	for service in "${services[@]}" xbr-script xendomains; do rc-update -q add "$service" default; done
}

explain() { cat /tmp/first.log /tmp/started /tmp/order; ip addr; ip route; }

# begin_init INIT: until guests have been started.
begin_init() {
	local begin=$EPOCHREALTIME
	: >/tmp/started
	: >/tmp/order
	case $1 in sysvinit) begin_first /sbin/init ;; openrc) begin_first /sbin/openrc-init ;; esac
	expect "all is started" wait_for 200 grep -q '^guests start' /tmp/order
	say "after $(since "$begin") s"
	expect "guests have found the bridge and the LAN" grep -qx 'guests start: bridge yes, LAN yes' /tmp/order
	expect "status says: up as asked" xbr-script status
	refute "nothing is on peth0" grep . <(ip -4 addr show peth0)
	expect "the LAN reaches the host" answers 192.168.0.100 lan 0
}

goes_on() { [[ $host == *_static ]] || expect "the lease is renewed" renews eth0; }

shut_down() {
	local begin=$EPOCHREALTIME
	case $1 in sysvinit) inside /sbin/shutdown -h now ;; openrc) inside /sbin/openrc-shutdown -p now ;; esac >>/tmp/started 2>&1
	wait_for 300 systemd_ended || fail "it does not end"
	say "shut down in $(since "$begin") s, after which the NIC has: $(ip -br addr show eth0)"
}

# life INIT HOST DOM0: of a machine.
life() {
	host=$2
	say "== $1, $2, dom0=$3"
	as_new 0
	installed "$@"
	begin_init "$1"
	goes_on
	shut_down "$1"
	expect "it was there to the end of the guests" diff <(printf '%s\n' 'guests start: bridge yes, LAN yes' \
		'guests stop: bridge yes, LAN yes') /tmp/order
	expect "the NIC is the host's again" ip link show eth0
	refute "it has no other name" ip link show peth0
	refute "no bridge stays" grep . <(ip -br link show type bridge)

	say "boot, and a reset with the bridge up"
	as_new 0
	begin_init "$1"
	reset
	as_new 0
	begin_init "$1"
	goes_on
	reset
}

xbr-script() { if [ -n "${init-}" ]; then inside xbr-script "$@"; else command xbr-script "$@"; fi; }

udevadm control --exit # each has its own
for kind in ${INITS:-sysvinit openrc}; do
	for host in ${HOSTS:-auto_dhclient hotplug_static hotplug_dhcpcd dhcpcd_service}; do
		for dom0 in ${SHAPES:-veth bridge}; do life "$kind" "$host" "$dom0"; done
	done
done
