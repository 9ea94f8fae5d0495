# shellcheck shell=bash
# dom0=bridge where NetworkManager has yet to configure the NIC: a cable that is put in later, a server that answers late, at boot and by hand
needs "this machine's own kernel (scripts/vm/here.sh)" test -n "${HERE-}"
needs "NetworkManager 1.52" suite trixie forky sid
mkdir -p /etc/xen
echo 'netdev=eth0 bridge=xenbr0 dom0=bridge' >/etc/xen/xbr-script.conf
printf '%s\n' '[keyfile]' 'unmanaged-devices=interface-name:eth1;interface-name:eth2;interface-name:eth3;interface-name:eth4;interface-name:eth5;interface-name:eth6' \
	>/etc/NetworkManager/conf.d/others.conf

# D-Bus wants process ids that NetworkManager knows.
nmcli() { inside nmcli "$@"; }
xbr-script() { inside xbr-script "$@"; }

explain() {
	ip addr
	ip route
	nmcli device
	nmcli connection
	cat /run/NetworkManager/system-connections/*
	journalctl --no-pager -o short-monotonic -u NetworkManager -u xbr-script | tail -n 80
}

# with NAME LINE...: the only profile, or with "" none, so that NetworkManager makes one.
with() {
	local file=/etc/NetworkManager/system-connections/$1.nmconnection
	rm -f /etc/NetworkManager/system-connections/*
	[ -n "$1" ] || return 0
	printf '%s\n' '[connection]' "id=$1" type=ethernet "${@:2}" >"$file"
	chmod 600 "$file"
}
dhcp() { printf '%s\n' '[ipv4]' method=auto '[ipv6]' method=disabled; }

# serve, silence: the DHCP server.
serve() {
	ip -n lan0 addr flush dev wire
	dhcp_server 0
	wait_for 30 grep -qs started /tmp/udhcpd.0.log
}
silence() {
	[ ! -e /tmp/udhcpd.0.pid ] || kill "$(cat /tmp/udhcpd.0.pid)" 2>/dev/null || true
	rm -f /tmp/udhcpd.0.*
}

# bare NIC: it has no IPv4 address.
bare() { [ -z "$(ip -4 addr show "$1")" ]; }
has_address() { [[ $(ip -4 addr show "$1" 2>/dev/null) == *192.168.0.100/* ]]; }
ours() { grep -q xbr-script /run/NetworkManager/system-connections/*; }
settled() { [ ! -e /run/xbr-script/journal ]; }

# goes_on NIC: it has the lease, and keeps it.
goes_on() {
	expect "$1 has its address" wait_for 200 has_address "$1"
	expect "the LAN reaches the host" answers 192.168.0.100 lan 0
	[ -n "${static-}" ] || expect "the lease is renewed" renews "$1"
}

# comes, goes: what is late. One of: cable, answer.
comes() { if [ "$1" = cable ]; then plug 0; else serve; fi; }
goes() { if [ "$1" = cable ]; then unplug 0; else silence; fi; }

# away WHAT: NetworkManager has not configured the NIC, and cannot.
away() {
	goes "$1"
	nmcli device disconnect eth0 >/dev/null 2>&1 || true
	systemctl restart NetworkManager
	wait_for 100 knows eth0 || fail "NetworkManager does not know eth0"
	ip addr flush dev eth0
	expect "the host has no address" bare eth0
}
knows() { nmcli -g GENERAL.STATE device show "$1" 2>/dev/null | grep -qE '^(20|30|[4-9]0)'; }

# up_late WHAT: the bridge is up without an address, and gets one.
up_late() {
	expect "status says: up as asked" xbr-script status
	expect "xenbr0 has no address yet" bare xenbr0
	comes "$1"
	goes_on xenbr0
	expect "peth0 has none" bare peth0
	expect "status says so" grep 'by a copy' <(xbr-script status)
	expect "NetworkManager restarts" systemctl restart NetworkManager
	goes_on xenbr0
	[ "$1" != cable ] || { unplug 0 && plug 0; }
	goes_on xenbr0
	expect "peth0 has none" bare peth0
}

# down: it stops, and the NIC goes on.
down() {
	xbr stop
	refute "no copy is left" ours
	goes_on eth0
}

# by_hand WHAT: by commands.
by_hand() {
	say "== $1 comes late, by hand"
	away "$1"
	xbr start
	up_late "$1"
	down
	say "stopped before that"
	away "$1"
	xbr start
	xbr stop
	refute "no copy is left" ours
	expect "eth0 has no address yet" bare eth0
	comes "$1"
	goes_on eth0
	say "NetworkManager is restarted before that"
	away "$1"
	xbr start
	expect "NetworkManager restarts" systemctl restart NetworkManager
	expect "status says: up as asked" xbr-script status
	comes "$1"
	goes_on xenbr0
	expect "peth0 has none" bare peth0
	down
	say "not confirmed"
	away "$1"
	xbr start confirm=1
	expect "it is taken back" wait_for 200 settled
	refute "no copy is left" ours
	comes "$1"
	goes_on eth0
	say "killed"
	away "$1"
	killed_when begins_command -v start
	say "killed after: $(tail -n 1 /tmp/said)"
	if [ -e /run/xbr-script/journal ]; then xbr recover; else xbr stop; fi
	refute "no copy is left" ours
	comes "$1"
	goes_on eth0
}
begins_command() { grep -q "^+ nmcli device set peth0" /tmp/said; }

# boots WHAT [SECONDS]: the unit comes while there is none, or it comes after so many.
boots() {
	say "== $1 comes late, at boot${2:+, after $2 s}"
	reset
	silence # as_new would begin another server
	as_new 0
	# A NIC that is switched off knows of no cable.
	[ "$1" = answer ] || { serve && ip -n lan0 link set wire down; }
	if [ -n "${2-}" ]; then (sleep "$2" && comes "$1" >/dev/null) & fi
	begin_systemd
	expect "the unit is up" systemctl -q is-active xbr-script
	log xbr-script
	if [ -n "${2-}" ]; then
		expect "dom0 has its address" has_address "$dom0"
		goes_on "$dom0"
	else
		up_late "$1"
	fi
}

# nothing but the unit itself waits for NetworkManager.
with lease interface-name=eth0 "$(dhcp)"
serve
boot NetworkManager
systemctl -q disable NetworkManager-wait-online 2>/dev/null
xbr stop

# PARTS=PATTERN runs those alone whose names match.
# shellcheck disable=SC2053 # it is a pattern
part() { [[ $1 == ${PARTS-*} ]]; }

! part cable || by_hand cable
! part answer || by_hand answer

if part profiles; then
	say "== a profile by MAC address"
	with mac '[ethernet]' "mac-address=$(cat /sys/class/net/eth0/address)" "$(dhcp)"
	away cable
	xbr start
	up_late cable
	down

	say "== the profile that NetworkManager makes itself, and IPv6"
	with ''
	for what in cable answer; do
		away "$what"
		xbr start
		up_late "$what"
		down
		say "stopped before that"
		away "$what"
		xbr start
		xbr stop
		refute "no copy is left" ours
		comes "$what"
		goes_on eth0
	done

	say "== a static address"
	static=yes
	with static interface-name=eth0 '[ipv4]' method=manual address1=192.168.0.100/24 '[ipv6]' method=disabled
	away cable
	xbr start
	plug 0
	goes_on xenbr0
	down
	static=
fi

with lease interface-name=eth0 "$(dhcp)"
if part boots; then
	dom0=xenbr0
	for what in cable answer; do
		boots "$what"
		boots "$what" 4
	done
	dom0=eth0
	echo 'netdev=eth0' >/etc/xen/xbr-script.conf
	boots answer 4
	say "a file that does not name the NIC"
	echo 'bridge=xenbr0 dom0=bridge' >/etc/xen/xbr-script.conf
	dom0=xenbr0
	boots answer 4
fi
