# shellcheck shell=bash
# What scenarios call. Each scenario is a shell script that scenario.sh reads
# in after this file, as root of the virtual machine; the first command that
# fails ends it, and make with it.

# say TEXT: something worth reading that is no assertion.
say() { echo "   $*"; }

# fail TEXT: ends the scenario.
fail() {
	! declare -F explain >/dev/null || { explain || true; } 2>&1 | show
	echo "   FAILED: $*"
	exit 1
}

# expect TEXT COMMAND...: asserts that the command succeeds.
expect() {
	local output
	if output=$("${@:2}" 2>&1 </dev/null); then
		echo "   ok: $1"
	else
		echo "   \$ ${*:2}"
		show <<<"$output"
		fail "$1"
	fi
}

# refute TEXT COMMAND...: asserts that it fails.
refute() {
	local output
	if output=$("${@:2}" 2>&1 </dev/null); then
		echo "   \$ ${*:2}"
		show <<<"$output"
		fail "$1"
	fi
	echo "   ok: $1"
}

show() { sed 's/^/     | /'; }

# xbr ARGUMENT...: runs the program, and shows what it says.
xbr() {
	local begin=$EPOCHREALTIME status=0
	xbr-script "$@" >/tmp/said 2>&1 </dev/null || status=$?
	echo "   \$ xbr-script $* # $(since "$begin") s"
	show </tmp/said
	[ "$status" -eq 0 ] || fail "xbr-script ended with status $status"
}

# since EPOCHREALTIME: the seconds that have passed.
since() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }'; }

# lan N COMMAND...: runs a command at the far end of eth0's cable, eth1's, …
lan() { ip netns exec "lan$1" "${@:2}"; }

# give N NEAR FAR...: puts ethN up with one address, and gives the far end one.
give() {
	ip link set "eth$1" up
	ip addr add "$2" dev "eth$1"
	ip -n "lan$1" addr add "$3" dev wire
}

# answers ADDRESS [COMMAND...]: pings until there is an answer, which a switch
# that learns or a link that comes up may put off; the command (such as "lan 0")
# says where from. A network that is dead for good has 30 seconds to prove it.
answers() {
	local address=$1 i
	shift
	for ((i = 0; i < 30; i++)); do
		if "$@" ping -n -q -c 1 -W 1 "$address" >/dev/null 2>&1; then return; fi
		sleep 0.2
	done
	echo "no answer from $address"
	return 1
}

# is_port CARD BRIDGE
is_port() { [ "$(basename "$(readlink "/sys/class/net/$1/master")")" = "$2" ]; }

# silent ADDRESS [COMMAND...]: nobody answers there.
silent() { ! "${@:2}" ping -n -q -c 2 -W 1 "$1" >/dev/null 2>&1; }

# unplug N, plug N: pulls the cable of ethN out, and puts it back in. They wait
# until the card has seen it.
unplug() { cable "$1" off 0; }
plug() { cable "$1" on 1; }

cable() {
	local i name
	echo "@monitor set_link near$1 $2"
	echo "@monitor set_link far$1 $2"
	for ((i = 0; i < 100; i++)); do
		for name in "eth$1" "peth$1"; do
			if [ "$(cat "/sys/class/net/$name/carrier" 2>/dev/null)" = "$3" ] &&
				[ -e "/sys/class/net/$name/device" ]; then
				return
			fi
		done
		sleep 0.2
	done
	fail "the cable of eth$1 did not go $2"
}

# state prints all that the host's network has, but for what counts or learns
# by itself.
state() {
	# The kernel gives a card its queue when it first goes up, and keeps it.
	{ ip -d link && ip addr; } | sed '/state DOWN/s/ qdisc noop / qdisc noqueue /
		s/ link_failure_count [0-9]*//; s/ [a-z_]*_timer  *[0-9.]*//g'
	ip rule
	ip -6 rule
	ip -4 route show table all
	# IPv6 keeps no order between routes that are alike.
	ip -6 route show table all | sort
	# Neighbours are in a hash table.
	ip neigh show nud permanent | sort
	ip neigh show proxy | sort
	ip nexthop
	# What cannot be read is a secret that nobody set.
	grep -rs '' /proc/sys/net/ipv{4,6}/{conf,neigh} /proc/sys/net/ipv4/ip_forward | sort || true
	rules iptables
	rules ip6tables
}

# rules COMMAND: that a table exists, with nothing in it, is no difference.
rules() {
	"$1-save" 2>/dev/null | awk -v name="$1" '!/^(#|\*|COMMIT|:[A-Z]+ ACCEPT)/ { print name, $0 }'
}

# state_save NAME: keeps the state, once it has come to rest.
state_save() {
	settle
	state >"/tmp/state.$1"
	say "state $1: $(wc -l <"/tmp/state.$1") lines of links, addresses, routes, rules, neighbours, sysctls, firewall rules"
}

# state_same NAME: asserts that the state is the one that was kept.
state_same() {
	local begin=$EPOCHREALTIME end=$((SECONDS + 20)) looks=0
	settle
	# A link that comes up needs seconds on real cards, and IPv6 after it: what
	# these bring by themselves is waited for. What is lost does not come.
	until
		state >/tmp/state.now
		cmp -s "/tmp/state.$1" /tmp/state.now
	do
		# On a busy machine a look alone takes seconds.
		if [ "$((++looks))" -ge 5 ] && [ "$SECONDS" -gt "$end" ]; then
			{ diff -U0 "/tmp/state.$1" /tmp/state.now || true; } | sed 1,2d | show
			fail "the state is not the one that was $1"
		fi
		sleep 0.3
	done
	echo "   ok: the state is the one that was $1, all $(wc -l <"/tmp/state.$1") lines (seen after $(since "$begin") s)"
}

# settle waits until links are up and IPv6 addresses no longer tentative, if
# that comes about. A port whose other end is switched off stays without.
settle() {
	local i
	for ((i = 0; i < 100; i++)); do
		if [ -z "$(ip -6 addr show tentative)$(ip link show up | grep NO-CARRIER | grep -v M-DOWN)" ]; then return; fi
		sleep 0.3
	done
}

# probes_begin FROM ADDRESS4 ADDRESS6: from lanFROM on, sends the host probes,
# each way one each 5 ms: more than that an emulated machine cannot always do.
# probes_phase NAME: what comes now. probes_end: prints what each phase lost.
probes_begin() {
	probe serve "$2" "$3" >/dev/null 2>&1 &
	probe_server=$!
	mkfifo /tmp/phases /tmp/tally
	lan "$1" probe watch "$2" "$3" 5ms </tmp/phases >/tmp/tally &
	exec 8>/tmp/phases 9</tmp/tally
	read -r -t 20 -u 9 || fail "the host cannot be reached before"
	probes_phase quiet
}

probes_phase() { echo "$1" >&8; }

probes_end() {
	exec 8>&-
	cat <&9 >/tmp/tallied
	exec 9<&-
	rm /tmp/phases /tmp/tally
	kill "$probe_server"
	say "$(printf '%-8s %-5s %8s %8s %14s' phase way probes lost 'longest gap')"
	local phase way sent lost gap
	while read -r phase way sent lost gap; do
		say "$(printf '%-8s %-5s %8d %8d %11s ms' "$phase" "$way" "$sent" "$lost" "$gap")"
	done </tmp/tallied
}
