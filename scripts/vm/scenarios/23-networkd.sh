# shellcheck shell=bash
# systemd-networkd of any version: files by the name and by the MAC address, both families, three shapes, and what it is told while a bridge is up
needs "scripts/vm/here.sh" test -n "${HERE-}"
for n in 0 1 2; do dhcp_server "$n"; done
conf=/etc/systemd/network
printf '%s\n' '[Match]' 'Name=eth0' '[Network]' 'DHCP=ipv4' 'LinkLocalAddressing=no' >$conf/eth0.network
# As netplan writes it for match: and set-name:, but for PermanentMACAddress=, which the end
# of a veth pair has not.
mkdir -p /run/systemd/network
match=MACAddress=52:54:00:12:00:01
printf '%s\n' '[Match]' "$match" 'Name=eth1' '[Network]' 'DHCP=ipv4' 'LinkLocalAddressing=ipv6' \
	'[DHCP]' 'RouteMetric=100' 'UseMTU=true' >/run/systemd/network/10-netplan-eth1.network
printf '%s\n' '[Match]' "$match" '[Link]' 'Name=eth1' 'WakeOnLan=off' >/run/systemd/network/10-netplan-eth1.link
printf '%s\n' '[Match]' 'MACAddress=52:54:00:12:00:02' '[Network]' 'DHCP=yes' 'IPv6AcceptRA=yes' >$conf/eth2.network
# Routers of IPv6, where there is dnsmasq: with addresses by DHCPv6, and of the prefix.
if command -v dnsmasq >/dev/null; then
	ip -n lan2 addr add 2001:db8:2::1/64 dev wire nodad
	lan 2 sysctl -q net.ipv6.conf.all.forwarding=1
	lan 2 sysctl -q net.ipv6.conf.wire.keep_addr_on_down=1 # a cable is pulled
	lan 2 dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --interface=wire --user=root --pid-file= --log-dhcp \
		--dhcp-range=2001:db8:2::100,2001:db8:2::100,slaac,64,120 --enable-ra --ra-param=wire,4,60 \
		--dhcp-leasefile=/tmp/leases6 >/tmp/dnsmasq.log 2>&1 &
fi
sysctl -q net.ipv6.conf.all.forwarding=0
mkdir -p /etc/xen
if [ -n "${DEBUG-}" ]; then
	mkdir -p /etc/systemd/system/systemd-networkd.service.d
	printf '%s\n' '[Service]' 'Environment=SYSTEMD_LOG_LEVEL=debug' >/etc/systemd/system/systemd-networkd.service.d/debug.conf
fi
explain() {
	ip addr
	ip route
	journalctl --no-pager -o short-monotonic -u systemd-networkd | tail -n "${DEBUG:-120}"
}
boot systemd-networkd
say "$(systemctl --version | head -n 1)"
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
	read -r child <"/proc/$call/task/$call/children" || [ -n "$child" ] || true
	[ -z "$child" ] || kill -KILL "$child" || true
	wait "$call" 2>/dev/null || true
	# It may have ended before.
	if [ -e /run/xbr-script/journal ]; then xbr recover; else xbr stop netdev="eth$1"; fi
}

# runs_out ARGUMENT...: nobody confirms.
runs_out() {
	xbr start "$@" confirm=1
	wait_for 200 taken_back || fail "it is not taken back"
}
taken_back() { [ ! -e /run/xbr-script/journal ] && ! xbr-script status >/dev/null; }

pulled() { unplug "$1" && plug "$1" && answers "192.168.$1.100" lan "$1"; }

# told N COMMAND...: it is told something, and has its address afterwards.
told() {
	inside "${@:2}"
	expect "${*:2}: the LAN reaches the host" answers "192.168.$1.100" lan "$1"
}

# beside N COMMAND...: ethN, which stays as it is, has its address all the while.
beside() {
	local looks
	mkfifo /tmp/ends.beside
	probe away "192.168.$1.100" </tmp/ends.beside >/tmp/beside 2>&1 &
	looks=$!
	exec 7>/tmp/ends.beside
	wait_for 60 test -s /tmp/beside || fail "nobody looks for eth$1's address"
	"${@:2}" 7>&-
	exec 7>&-
	wait "$looks"
	rm /tmp/ends.beside
	say "measured: eth$1 beside it: $(tail -n 1 /tmp/beside) s without its address"
}

# goes_on N DEV: the network, and the leases, on that interface.
goes_on() {
	expect "the LAN reaches the host" answers "192.168.$1.100" lan "$1"
	expect "the lease is renewed" renews "$2"
	expect "its default route is DHCP's" grep -c default <(ip -4 route show dev "$2" proto dhcp)
	refute "no route by a gateway counts as the kernel's" grep ' via ' <(ip -4 route show table all proto kernel)
	[ "$1" = 2 ] && command -v dnsmasq >/dev/null || return 0
	expect "both addresses of IPv6 are there" wait_for 60 both_of_6 "$2"
	expect "the LAN reaches it by DHCPv6's" answers 2001:db8:2::100 lan 2
}
both_of_6() { [ "$(ip -6 -o addr show dev "$1" scope global -tentative | grep -c 'inet6 2001:db8:2:')" = 2 ]; }

# cells N DEV ARGUMENT...: ethN through all that the table has; dom0's interface is DEV.
cells() {
	local n=$1 dev=$2 address=192.168.$1.100 version
	version=$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
	local name="systemd-networkd $version, eth$n, ${*:3}"
	set -- netdev="eth$n" "${@:3}"
	say "== $name"
	goes_on "$n" "eth$n"
	measured "$name, restart without a bridge" "$n" "$address" told "$n" systemctl restart systemd-networkd
	measured "$name, start" "$n" "$address" beside "$(((n + 1) % 3))" xbr start "$@"
	expect "status says: up as asked" xbr-script status
	goes_on "$n" "$dev"
	measured "$name, cable" "$n" "$address" pulled "$n"
	measured "$name, restart" "$n" "$address" told "$n" systemctl restart systemd-networkd
	goes_on "$n" "$dev"
	measured "$name, daemon-reexec" "$n" "$address" told "$n" systemctl daemon-reexec
	measured "$name, udevadm trigger" "$n" "$address" told "$n" udevadm trigger --action=add --subsystem-match=net --settle
	measured "$name, networkctl reload" "$n" "$address" told "$n" networkctl reload
	measured "$name, networkctl reconfigure" "$n" "$address" told "$n" networkctl reconfigure "$dev"
	goes_on "$n" "$dev"
	expect "status says: up as asked" xbr-script status
	refute "nothing is on peth$n" grep . <(ip -4 addr show "peth$n")
	measured "$name, stop" "$n" "$address" beside "$(((n + 1) % 3))" xbr stop "$@"
	refute "no file stays" grep -r xbr-script /run/systemd/network
	goes_on "$n" "eth$n"
	measured "$name, not confirmed" "$n" "$address" beside "$(((n + 1) % 3))" runs_out "$@"
	goes_on "$n" "eth$n"
	measured "$name, killed and recovered" "$n" "$address" cut_short "$n" "$@"
	goes_on "$n" "eth$n"
}

for n in ${NICS-0 1 2}; do
	cells "$n" "eth$n" dom0=veth
	cells "$n" "eth$n" dom0=bridge
	cells "$n" lan dom0=bridge bridge=lan
done

# own_mac DEV: it has the MAC address that the NIC had.
own_mac() { [ "$(cat "/sys/class/net/$1/address")" = 52:54:00:12:00:00 ]; }
for match in MACAddress=52:54:00:12:00:00 OriginalName=eth0; do
	say "a .link file that came after boot, $match, with another MAC address"
	printf '%s\n' '[Match]' "$match" '[Link]' 'Name=eth0' 'MACAddress=02:00:00:00:00:77' >$conf/10-mac.link
	for bridge in dom0=veth bridge=eth0 bridge=lan; do
		dev=eth0
		[ "$bridge" != bridge=lan ] || dev=lan
		shape=("$bridge")
		[ "$bridge" = dom0=veth ] || shape+=(dom0=bridge)
		xbr start netdev=eth0 "${shape[@]}"
		inside udevadm settle
		expect "dom0 has the NIC's MAC address" own_mac "$dev"
		xbr stop netdev=eth0 "${shape[@]}"
		inside udevadm settle
		expect "the NIC has its MAC address" own_mac eth0
		expect "the LAN reaches the host" answers 192.168.0.100 lan 0
	done
done
