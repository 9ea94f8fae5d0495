# shellcheck shell=bash
# What is different where scenarios run on this machine's own kernel (here.sh).

# What systemd begins behind, in its own namespace of mounts.
# shellcheck disable=SC2034 # boot reads it
guard=(/vm/guard.sh '')

# nic N: ethN and its cable to lanN, as new.
nic() {
	ip link add "eth$1" address "52:54:00:12:00:0$1" type veth \
		peer name wire address "52:54:00:12:01:0$1" netns "lan$1"
	ip -n "lan$1" link set wire up
}

cable() {
	local state=up
	[ "$2" = on ] || state=down
	ip -n "lan$1" link set wire "$state"
	wait_for 60 carrier "$1" "$3" || fail "the cable of eth$1 did not go $2"
}

carrier() {
	local name=eth$1
	[ ! -e "/sys/class/net/p$name" ] || name=p$name
	[ "$(cat "/sys/class/net/$name/carrier" 2>/dev/null)" = "$2" ]
}

# reset: what the reset button does while systemd runs: every process of the machine is
# gone at once.
reset() {
	# shellcheck disable=SC2154 # begin_systemd has set it
	kill -KILL "$init"
	wait_for 100 systemd_ended || fail "systemd does not end"
}

# as_new N...: systemd has ended, and is about to begin again: interfaces, routes, rules
# and all that is in /run are gone, but for new NICs ethN, which are switched off. What is
# on disk stays, as do the LANs with their DHCP servers.
as_new() {
	local link n
	for link in $(ip -o link | sed 's/^[0-9]*: \([^:@]*\)[:@].*/\1/; /^lo$/d'); do
		ip link del "$link" 2>/dev/null || true
	done
	nft flush ruleset 2>/dev/null || true
	sysctl -q net.ipv4.ip_forward=0
	busybox find /run -mindepth 1 -maxdepth 1 ! -name netns -exec rm -rf {} +
	mkdir -p /run/lock /run/udev
	: >/run/udev/control # else systemd does not listen to udev where /dev is no devtmpfs
	busybox find /sys/fs/cgroup -mindepth 1 -depth -type d -exec rmdir {} + 2>/dev/null || true
	unset init
	for n; do
		nic "$n"
		[ ! -e "/tmp/udhcpd.$n.pid" ] || kill "$(cat "/tmp/udhcpd.$n.pid")" 2>/dev/null || true
		[ ! -e "/tmp/udhcpd.$n.conf" ] || dhcp_server "$n"
	done
}

# It cannot have the namespaces that its unit asks for. NetworkManager asks for it.
ln -sf /dev/null /etc/systemd/system/systemd-hostnamed.service

sysctl -q net.ipv4.ip_forward=0
ip link set lo up
for n in 0 1 2 3 4 5 6; do
	ip netns add "lan$n"
	ip -n "lan$n" link set lo up
	nic "$n"
done
/lib/systemd/systemd-udevd --daemon 2>/dev/null
