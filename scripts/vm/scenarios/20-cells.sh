# shellcheck shell=bash
# Who configures the NIC, each cell of the table in docs/hosts.md, with what it costs: one host with a NIC for systemd-networkd, ifupdown, NetworkManager and dhcpcd each
for n in 0 1 2 3; do dhcp_server "$n"; done
printf '%s\n' '[Match]' 'Name=eth0' '[Network]' 'DHCP=ipv4' 'LinkLocalAddressing=no' >/etc/systemd/network/eth0.network

mkdir -p /var/lib/dhcp /var/lib/dhcpcd /etc/xen /run/network
printf '%s\n' 'allow-hotplug eth1' 'iface eth1 inet dhcp' >/etc/network/interfaces

# NetworkManager leaves the others alone, whatever their names are meanwhile.
printf '%s\n' '[main]' 'no-auto-default=*' 'plugins=keyfile' '[keyfile]' \
	'unmanaged-devices=interface-name:*eth0;interface-name:*eth1;interface-name:*eth3' \
	>/etc/NetworkManager/conf.d/others.conf
printf '%s\n' '[connection]' id=lease type=ethernet interface-name=eth2 '[ipv4]' method=auto '[ipv6]' method=disabled \
	>/etc/NetworkManager/system-connections/lease.nmconnection
chmod 600 /etc/NetworkManager/system-connections/lease.nmconnection

cat >/etc/systemd/system/dhcpcd@.service <<'END'
[Service]
Type=forking
PIDFile=/run/dhcpcd/%I.pid
ExecStart=/usr/sbin/dhcpcd -4 -q -w %I
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
	local call child=''
	# shellcheck disable=SC2154 # boot has set it
	nsenter --target "$init" --pid --mount /usr/local/sbin/xbr-script start "${@:2}" >/tmp/said 2>&1 </dev/null &
	call=$!
	until [ -e "/sys/class/net/peth$1" ]; do
		kill -0 "$call" 2>/dev/null || fail "start has renamed nothing: $(cat /tmp/said)"
	done
	read -r child <"/proc/$call/task/$call/children" || [ -n "$child" ]
	kill -KILL "$child"
	wait "$call" 2>/dev/null || true
	xbr recover
}

# runs_out ARGUMENT...: nobody confirms.
runs_out() {
	xbr start "$@" confirm=1
	wait_for 200 taken_back || fail "it is not taken back"
}
taken_back() { [ ! -e /run/xbr-script/journal ] && ! xbr-script status >/dev/null; }

pulled() { unplug "$1" && plug "$1" && answers "192.168.$1.100" lan "$1"; }

# cells NAME N RESTART ARGUMENT...: the manager of ethN through all that the table has.
# RESTART is how it is restarted.
cells() {
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
	expect "the lease is renewed" renews "eth$1"
}

for shape in dom0=veth dom0=bridge; do
	cells "systemd-networkd, $shape" 0 'systemctl restart systemd-networkd' "$shape"
	! command -v dhclient >/dev/null || cells "ifupdown, dhclient, $shape" 1 'inside sh -c "ifdown eth1 && ifup eth1"' "$shape"
	cells "NetworkManager, $shape" 2 'systemctl restart NetworkManager' "$shape"
	cells "dhcpcd, $shape" 3 'systemctl restart dhcpcd@eth3' "$shape"
done
