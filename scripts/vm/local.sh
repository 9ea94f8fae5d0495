# shellcheck shell=bash
# What is different where scenarios run on this machine's own kernel (here.sh).

# What systemd begins behind, in its own namespace of mounts.
# shellcheck disable=SC2034 # boot reads it
guard=(/vm/guard.sh '')

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

# It cannot have the namespaces that its unit asks for. NetworkManager asks for it.
ln -sf /dev/null /etc/systemd/system/systemd-hostnamed.service
