# shellcheck shell=bash
# Who configures the NIC, each cell of the table in docs/hosts.md, with what it costs: one host with a NIC for systemd-networkd, ifupdown, NetworkManager and dhcpcd each
# Packages: dhcpcd
for n in 0 1 2 3; do dhcp_server "$n"; done
# On this machine's own kernel there are as many NICs as one likes.
if [ -n "${HERE-}" ]; then
	dhcp_server 4
	dhcp_server 5
	ip -n lan6 addr add 192.168.6.1/24 dev wire
fi
printf '%s\n' '[Match]' 'Name=eth0' '[Network]' 'DHCP=ipv4' 'LinkLocalAddressing=no' >/etc/systemd/network/eth0.network

mkdir -p /var/lib/dhcp /var/lib/dhcpcd /etc/xen /run/network
printf '%s\n' 'allow-hotplug eth1 eth6' 'iface eth1 inet dhcp' 'iface eth5 inet dhcp' \
	'iface eth6 inet static' 'address 192.168.6.100/24' >/etc/network/interfaces

# NetworkManager leaves the others alone, whatever their names are meanwhile.
printf '%s\n' '[main]' 'no-auto-default=*' 'plugins=keyfile' '[keyfile]' \
	'unmanaged-devices=interface-name:*eth0;interface-name:*eth1;interface-name:*eth3;interface-name:*eth4;interface-name:*eth5;interface-name:*eth6' \
	>/etc/NetworkManager/conf.d/others.conf
printf '%s\n' '[connection]' id=lease type=ethernet interface-name=eth2 '[ipv4]' method=auto '[ipv6]' method=disabled \
	>/etc/NetworkManager/system-connections/lease.nmconnection
chmod 600 /etc/NetworkManager/system-connections/lease.nmconnection

# Debian's package has one that is bound to the device, besides.
[ -e /lib/systemd/system/dhcpcd@.service ] || cat >/etc/systemd/system/dhcpcd@.service <<'END'
[Service]
Type=forking
PIDFile=/run/dhcpcd/%I.pid
ExecStart=/usr/sbin/dhcpcd -q -w %I
[Install]
WantedBy=multi-user.target
END

explain() {
	ip addr
	ip route
	journalctl --no-pager -o short-monotonic -u NetworkManager -u systemd-networkd -u dhcpcd@eth3 -u 'ifup@*' | tail -n 80
}
boot systemd-networkd networking NetworkManager dhcpcd@eth3
# systemd and D-Bus answer those alone that they see.
xbr-script() { inside xbr-script "$@"; }

# cut_short N ARGUMENT...: start is killed as soon as the NIC has its other name, and
# taken back.
cut_short() {
	local name=peth$1
	killed_when renamed start "${@:2}"
	# It may have ended before.
	if [ -e /run/xbr-script/journal ]; then xbr recover; else xbr stop netdev="eth$1"; fi
}

renamed() { [ -e "/sys/class/net/$name" ]; }

# runs_out ARGUMENT...: nobody confirms.
runs_out() {
	xbr start "$@" confirm=1
	wait_for 200 taken_back || fail "it is not taken back"
}

pulled() { unplug "$1" && plug "$1" && answers "192.168.$1.100" lan "$1"; }

# cells NAME N RESTART ARGUMENT...: the manager of ethN through all that the table has.
# RESTART is how it is restarted. With ONLY=PATTERN those alone whose names match.
cells() {
	# shellcheck disable=SC2053 # it is a pattern
	[[ $1 == ${ONLY-*} ]] || return 0
	local name=$1 n=$2 restart=$3 address=192.168.$2.100
	set -- netdev="eth$n" "${@:4}"
	say "== $name: $*"
	goes_on "$n"
	measured "$name, start" "$n" "$address" xbr start "$@"
	expect "status says: up as asked" xbr-script status
	goes_on "$n"
	measured "$name, cable" "$n" "$address" pulled "$n"
	goes_on "$n"
	measured "$name, restart" "$n" "$address" eval "$restart"
	goes_on "$n"
	refute "nothing is on peth$n" grep . <(ip -4 addr show "peth$n")
	measured "$name, stop" "$n" "$address" xbr stop netdev="eth$n"
	goes_on "$n"
	measured "$name, not confirmed" "$n" "$address" runs_out "$@"
	goes_on "$n"
	measured "$name, killed and recovered" "$n" "$address" cut_short "$n" "$@"
	goes_on "$n"
}

# goes_on N: the network, and the lease.
goes_on() {
	expect "the LAN reaches the host" answers "192.168.$1.100" lan "$1"
	case $1 in
	4) : >/tmp/udhcpc.events && expect "the lease is renewed" wait_for 200 grep -qx "renew eth4" /tmp/udhcpc.events ;;
	6) ;; # a static address
	*) expect "the lease is renewed" renews "eth$1" ;;
	esac
}

# udhcpc_runs: busybox's, whose script gives addresses no lifetime.
udhcpc_runs() { inside busybox udhcpc -b -i eth4 -s /tmp/udhcpc.script -p /run/udhcpc.pid >/tmp/udhcpc.log 2>&1; }
udhcpc_again() {
	inside kill "$(cat /run/udhcpc.pid)"
	udhcpc_runs
}

if [ -n "${HERE-}" ]; then
	cat >/tmp/udhcpc.script <<'END'
#!/bin/sh
echo "$1 $interface" >>/tmp/udhcpc.events
case $1 in
bound | renew) ip addr replace "$ip/$mask" dev "$interface" ;;
esac
END
	chmod 755 /tmp/udhcpc.script
	ip link set eth4 up
	udhcpc_runs
	expect "ifup brings eth5 up" inside ifup eth5
	for shape in dom0=veth dom0=bridge; do
		cells "udhcpc, $shape" 4 udhcpc_again "$shape"
		cells "ifupdown by hand, $shape" 5 'inside sh -c "ifdown eth5 && ifup eth5"' "$shape"
		cells "ifupdown, static, $shape" 6 'inside sh -c "ifdown eth6 && ifup eth6"' "$shape"
	done
fi

for shape in dom0=veth dom0=bridge; do
	cells "dhcpcd, $shape" 3 'systemctl restart dhcpcd@eth3' "$shape"
	cells "systemd-networkd, $shape" 0 'systemctl restart systemd-networkd' "$shape"
	! command -v dhclient >/dev/null || cells "ifupdown, dhclient, $shape" 1 'inside sh -c "ifdown eth1 && ifup eth1"' "$shape"
	cells "NetworkManager, $shape" 2 'systemctl restart NetworkManager' "$shape"
done

# As Debian 13's installer leaves a host: no dhclient.
if command -v dhclient >/dev/null; then
	systemctl stop ifup@eth1
	rm "$(command -v dhclient)"
	systemctl start ifup@eth1
fi
for shape in dom0=veth dom0=bridge; do
	cells "ifupdown, dhcpcd, $shape" 1 'inside sh -c "ifdown eth1 && ifup eth1"' "$shape"
done
