# shellcheck shell=bash
# What scenarios call. Each scenario is a shell script that scenario.sh reads
# in after this file, as root of the virtual machine; the first command that
# fails ends it, and make with it.

# What the first process that boot runs is run by.
guard=()

# say TEXT: something worth reading that is no assertion.
say() { echo "   $*"; }

# fail TEXT: ends the scenario.
fail() {
	! declare -F explain >/dev/null || { explain || true; } 2>&1 | show
	echo "   FAILED: $*"
	exit 1
}

# needs TEXT COMMAND...: skips the scenario where the command fails, for the
# reason that is in TEXT. It is what a scenario calls first.
needs() {
	type "$2" >/dev/null || fail "no command $2"
	"${@:2}" >/dev/null 2>&1 </dev/null || {
		echo "@needs $1" >&3
		exit 0
	}
}

# suite NAME...: the machine is made of one of these Debians.
suite() { grep -qxF "$(printf '%s\n' "$@")" /vm/suite; }

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

# checked STATUS ARGUMENT...: asserts that check ends so, and shows what it says, a line
# for each holder, reason and hint, which are in /tmp/checked.
checked() {
	local status=0
	xbr-script check "${@:2}" >/tmp/said 2>&1 </dev/null || status=$?
	awk '/^    / { sub(/^ +/, " "); printf "%s", $0; next } { printf "%s%s", end, $0; end = "\n" } END { print "" }' /tmp/said |
		tr -s ' ' >/tmp/checked
	echo "   \$ xbr-script check ${*:2}"
	show </tmp/checked
	[ "$status" = "$1" ] || fail "check ended with status $status, not $1"
}

# says TEXT: asserts that a line of the last check begins so.
says() { expect "check says: $1" grep -q "^ *$1" /tmp/checked; }

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

# wait_for TRIES COMMAND...: runs it again and again, with a pause between,
# until it succeeds. It gives up after so many tries, however long they take: on
# a busy machine they may take a hundred times as long as on an idle one. run.sh
# is told that it is at work.
wait_for() {
	local tries=$1
	until "${@:2}"; do
		[ "$((--tries))" -gt 0 ] || return
		echo @alive >&3
		sleep 0.3
	done
}

# answers ADDRESS [COMMAND...]: pings until there is an answer, which a switch
# that learns or a link that comes up may put off; the command (such as "lan 0")
# says where from. A network that is dead for good has 30 seconds to prove it.
answers() {
	wait_for 30 "${@:2}" ping -n -q -c 1 -W 1 "$1" >/dev/null 2>&1 && return
	echo "no answer from $1"
	return 1
}

# is_port NIC BRIDGE
is_port() { [ "$(basename "$(readlink "/sys/class/net/$1/master")")" = "$2" ]; }

# silent ADDRESS [COMMAND...]: nobody answers there.
silent() { ! "${@:2}" ping -n -q -c 2 -W 1 "$1" >/dev/null 2>&1; }

# unplug N, plug N: pulls the cable of ethN out, and puts it back in. They wait
# until the NIC has seen it.
unplug() { cable "$1" off 0; }
plug() { cable "$1" on 1; }

cable() {
	monitor set_link "near$1" "$2"
	monitor set_link "far$1" "$2"
	wait_for 60 carrier "$1" "$3" || fail "the cable of eth$1 did not go $2"
}

# monitor COMMAND...: has run.sh say this to QEMU, and waits until it has. In the
# meantime the machine's clock may jump any number of seconds on.
monitor() {
	local heard='' part
	echo "@monitor $*" >&3
	until [[ $heard == *@done* ]]; do
		read -r -t 1 part </dev/ttyS1 || echo @alive >&3
		heard+=$part
	done
}

# carrier N STATE: the NIC that was called ethN at first has (1) a link, or not (0).
carrier() {
	local name
	for name in "eth$1" "peth$1"; do
		if [ -e "/sys/class/net/$name/device" ]; then
			[ "$(cat "/sys/class/net/$name/carrier" 2>/dev/null)" = "$2" ]
			return
		fi
	done
	return 1
}

# state prints all that the host's network has, but for what counts or learns
# by itself.
state() {
	# The kernel gives a NIC its queue when it first goes up, and keeps it. HSR counts.
	{ ip -d link && ip addr; } | altnames_sorted | sed '/state DOWN/s/ qdisc [a-z_]* / qdisc any /
		s/ link_failure_count [0-9]*//; s/ [a-z_]*_timer  *[0-9.]*//g; s/ sequence [0-9]*//'
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

# altnames_sorted: alternative names have no order, and udev gives a NIC its own
# back whenever it finds one missing.
altnames_sorted() {
	awk '
		function flush(  i, j, t) {
			for (i = 2; i <= n; i++)
				for (j = i; j > 1 && names[j] < names[j - 1]; j--) {
					t = names[j]; names[j] = names[j - 1]; names[j - 1] = t
				}
			for (i = 1; i <= n; i++) print names[i]
			n = 0
		}
		/^ *altname / { names[++n] = $0; next }
		{ flush(); print }
		END { flush() }'
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
	local begin=$EPOCHREALTIME
	settle
	# A link that comes up needs seconds on real NICs, and IPv6 after it: what
	# these bring by themselves is waited for. What is lost does not come.
	wait_for 25 looks_like "$1" || {
		{ diff -U0 "/tmp/state.$1" /tmp/state.now || true; } | sed 1,2d | show
		fail "the state is not the one that was $1"
	}
	echo "   ok: the state is the one that was $1, all $(wc -l <"/tmp/state.$1") lines (seen after $(since "$begin") s)"
}

looks_like() { state >/tmp/state.now && cmp -s "/tmp/state.$1" /tmp/state.now; }

# settle waits until links are up and IPv6 addresses no longer tentative, if
# that comes about. A port whose other end is switched off stays without.
settle() { wait_for 60 at_rest || true; }

at_rest() { [ -z "$(ip -6 addr show tentative)$(ip link show up | grep NO-CARRIER | grep -v M-DOWN)" ]; }

# counted COMMAND: runs it, and prints how many commands it stands for.
counted() { xbr-script -v "$1" </dev/null 2>&1 | grep -c '^+'; }

# killed COMMAND COUNT OTHER: begins the command, kills it when it has done some
# of the COUNT, and has that taken back. If it had ended before, OTHER does it.
killed() {
	local enough=$((1 + RANDOM % $2)) lines=() child
	: >/tmp/commands
	xbr-script -v "$1" >/tmp/commands 2>&1 </dev/null &
	child=$!
	while [ "${#lines[@]}" -lt "$enough" ] && kill -0 "$child" 2>/dev/null; do
		mapfile -t lines </tmp/commands
	done
	kill -KILL "$child" 2>/dev/null || true
	wait "$child" 2>/dev/null || true
	say "$1 killed after $(grep -c '^+' /tmp/commands) of $2 commands, the last: $(grep '^+' /tmp/commands | tail -n 1)"
	if [ -e /run/xbr-script/journal ]; then
		xbr recover
	else
		xbr "$3"
	fi
}

# renames_live: this kernel renames a NIC that is up.
renames_live() { [ "$(printf '%s\n' 6.2 "$(uname -r)" | sort -V | head -n 1)" = 6.2 ]; }

# loss N: what start and stop of ethN cost, seen from lanN, with dom0's
# interface beside the bridge and with the bridge itself. What the NIC itself makes
# of being promiscuous, and of another MAC address while it is a port, comes first.
loss() {
	local n=$1 net4=192.168.$1 net6=2001:db8:$1: round
	say "eth$n: $(basename "$(readlink "/sys/class/net/eth$n/device/driver")")"
	give "$n" "$net4.2/24" "$net4.1/24"
	ip addr add "$net6:2/64" dev "eth$n"
	ip -n "lan$n" addr add "$net6:1/64" dev wire
	expect "lan$n reaches the host over IPv6" answers "$net6:2" lan "$n"
	state_save before
	for ((round = 1; round <= ${rounds:-1}; round++)); do
		loss_round "$n" bridge="xenbr$n" netdev="eth$n" vifnum="$n"
		loss_round "$n" bridge="xenbr$n" netdev="eth$n" dom0=bridge
	done
	state_same before
}

# loss_round N ARGUMENT...: one start with these arguments, and one stop.
loss_round() {
	local n=$1 net4=192.168.$1 net6=2001:db8:$1: mac changes
	mac=$(cat "/sys/class/net/eth$n/address")
	changes=$(cat "/sys/class/net/eth$n/carrier_changes")
	probes_begin "$n" "$net4.2" "$net6:2"
	sleep 0.5
	probes_phase promisc
	sleep 0.1 # a gap counts where it begins
	ip link set "eth$n" promisc on
	sleep 1
	ip link set "eth$n" promisc off
	sleep 1
	probes_phase start
	xbr start "${@:2}"
	reached_over "$n"
	probes_phase up
	sleep 0.5
	probes_phase mac
	other_mac "peth$n"
	sleep 0.5
	probes_phase stop
	xbr stop
	reached_over "$n"
	probes_phase down
	sleep 0.5
	# After a link that was down, TCP tries again ever more seldom.
	renames_live || sleep 5
	probes_end "$mac"
	changes=$(($(cat "/sys/class/net/eth$n/carrier_changes") - changes))
	say "the link of eth$n went down or up $changes times"
	expect "the TCP session lives" [ "$(lost_by TCP)" = 0 ]
	refute "no frame was from another MAC address" grep . /tmp/foreign
	renames_live || return 0
	expect "nothing was lost" [ "$(lost_by '')" = 0 ]
	expect "the link stayed up" [ "$changes" = 0 ]
}

# lost_by WAY: how many of the probes that went this way were lost, or of all.
lost_by() { awk -v way="$1" 'way == "" || $2 == way { lost += $4 } END { print lost }' /tmp/tallied; }

# reached_over N: from lanN, over both families.
reached_over() {
	expect "lan$1 reaches the host" answers "192.168.$1.2" lan "$1"
	expect "lan$1 reaches the host over IPv6" answers "2001:db8:$1::2" lan "$1"
}

# other_mac PORT: gives a NIC that is a port another MAC address, and its own back.
other_mac() {
	local mac
	mac=$(cat "/sys/class/net/$1/address")
	ip link set "$1" address 02:00:00:00:77:07
	sleep 0.5
	ip link set "$1" address "$mac"
}

# probes_begin FROM ADDRESS4 ADDRESS6: from lanFROM on, sends the host probes,
# each way one each 10 ms: more than that an emulated machine cannot always do.
# probes_phase NAME: what comes now. probes_end MAC: prints what each phase lost, and
# what lanFROM heard from other MAC addresses than this, which goes to /tmp/foreign.
probes_begin() {
	ip netns exec "lan$1" probe hear wire >/tmp/heard &
	probe_ear=$!
	probe serve "$2" "$3" >/dev/null 2>&1 &
	probe_server=$!
	probes_to "$@"
}

# probes_to FROM ADDRESS4 ADDRESS6: sends them, to whoever answers there.
probes_to() {
	mkfifo /tmp/phases /tmp/tally
	lan "$1" probe watch "$2" "$3" 10ms </tmp/phases >/tmp/tally &
	exec 8>/tmp/phases 9</tmp/tally
	read -r -t 20 -u 9 || fail "$2 and $3 cannot be reached before"
	probes_phase quiet
}

probes_phase() { echo "$1" >&8; }

probes_end() {
	probes_tallied
	kill "$probe_server" "$probe_ear"
	sed 1d /tmp/heard | { grep -v "^$1 " || true; } >/tmp/foreign
	sed 's/^/from another MAC address: /' /tmp/foreign | show
}

# probes_tallied: no more of them. Prints what each phase lost.
probes_tallied() {
	exec 8>&-
	cat <&9 >/tmp/tallied
	exec 9<&-
	rm /tmp/phases /tmp/tally
	say "$(printf '%-8s %-5s %8s %8s %14s' phase way probes lost 'longest gap')"
	local phase way sent lost gap
	while read -r phase way sent lost gap; do
		say "$(printf '%-8s %-5s %8d %8d %11s ms' "$phase" "$way" "$sent" "$lost" "$gap")"
	done </tmp/tallied
}

# measured TEXT N ADDRESS COMMAND...: runs the command, and says for how long the host
# was without the address meanwhile, and what of a ping from lanN each 10 ms was lost.
measured() {
	local gone lost sent without gap
	rm -f /tmp/away /tmp/pinged
	mkfifo /tmp/ends.host /tmp/ends.lan
	probe away "$3" </tmp/ends.host >/tmp/away 2>&1 &
	gone=$!
	lan "$2" probe ping "$3" 10ms </tmp/ends.lan >/tmp/pinged 2>&1 &
	lost=$!
	exec 8>/tmp/ends.host 9>/tmp/ends.lan
	wait_for 60 begun || fail "$3 cannot be reached before: $(cat /tmp/away /tmp/pinged)"
	"${@:4}" 8>&- 9>&-
	sleep 0.5
	exec 8>&- 9>&-
	if ! wait "$gone" || ! wait "$lost"; then fail "no figures: $(cat /tmp/away /tmp/pinged)"; fi
	rm /tmp/ends.host /tmp/ends.lan
	without=$(sed -n '$p' /tmp/away)
	read -r sent lost gap < <(sed -n '$p' /tmp/pinged)
	say "measured: $1: $without s without the address, $lost of $sent pings lost, the longest gap $gap ms"
}
begun() { grep -qs ready /tmp/away && grep -qs ready /tmp/pinged; }

# dhcp_server N: at the far end of ethN, with leases of 24 seconds, all of
# 192.168.N.100.
dhcp_server() {
	local net=192.168.$1
	ip -n "lan$1" addr add "$net.1/24" dev wire
	touch "/tmp/leases.$1"
	printf '%s\n' "interface wire" "start $net.100" "end $net.100" "max_leases 1" \
		"lease_file /tmp/leases.$1" "pidfile /tmp/udhcpd.$1.pid" "min_lease 10" \
		"option subnet 255.255.255.0" "option router $net.1" "option lease 24" >"/tmp/udhcpd.$1.conf"
	lan "$1" busybox udhcpd -f -S "/tmp/udhcpd.$1.conf" >"/tmp/udhcpd.$1.log" 2>&1 &
}

# lease NIC: for how many more seconds its address is valid; nothing if there
# is none.
lease() { ip -4 -o addr show "$1" 2>/dev/null | sed -n 's/.*valid_lft \([0-9]*\)sec.*/\1/p'; }

# renews NIC: asserts that its lease is extended, which the client does by
# itself when half of it has passed.
renews() {
	lease_before=$(lease "$1")
	wait_for 200 extended "$1" && return
	echo "the lease was not extended: $(ip -4 addr show "$1" 2>&1)"
	cat /tmp/udhcpd.*.log
	return 1
}

# extended NIC: the lease is longer than when it was last looked at.
extended() {
	local last=$lease_before
	lease_before=$(lease "$1")
	[ "${lease_before:-0}" -gt "${last:-99}" ]
}

# boot UNIT...: runs systemd, as process 1 of a namespace of its own, with these
# units and the boot unit enabled, until it has started all that was asked. Of
# what it brings itself only the journal, D-Bus and udev run, the latter for the
# NICs alone: emulated, all of it takes minutes.
boot() {
	local units=/etc/systemd/system unit
	cp /vm/xbr-script.service "$units"
	rm -rf /etc/init.d # else systemctl looks for the programs of another init
	for unit in /lib/systemd/system/{sysinit,multi-user}.target.wants/*; do
		case ${unit##*/} in
		systemd-journald.* | systemd-udevd.* | systemd-udev-trigger.* | dbus.*) ;;
		*) ln -sf /dev/null "$units/${unit##*/}" ;;
		esac
	done
	mkdir -p "$units/systemd-udev-trigger.service.d"
	printf '%s\n' '[Service]' 'ExecStart=' \
		'ExecStart=udevadm trigger --action=add --subsystem-match=net' \
		>"$units/systemd-udev-trigger.service.d/net.conf"
	systemctl -q enable xbr-script "$@" 2>/dev/null
	{ systemd-sysusers && systemd-machine-id-setup; } 2>/dev/null
	mkdir -p /sys/fs/cgroup
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	udevadm control --exit # systemd has its own
	begin_systemd
}

# begin_systemd: as boot does, with the units that are enabled.
begin_systemd() {
	local begin=$EPOCHREALTIME
	begin_first container=other /lib/systemd/systemd --unit=multi-user.target --show-status=no
	wait_for 100 booted || systemctl list-jobs --no-pager | show
	systemctl --failed --no-pager --plain --no-legend | show
	expect "systemd has started all that was asked ($(since "$begin") s)" systemctl is-system-running
}

# begin_first [NAME=VALUE] PROGRAM [ARGUMENT...]: runs it as process 1 of a namespace of its
# own, whose process id here becomes $init. What it says is in /tmp/first.log.
begin_first() {
	local unshare
	unshare --pid --fork --mount --mount-proc "${guard[@]}" env -i PATH="$PATH" "$@" >/tmp/first.log 2>&1 </dev/null &
	unshare=$!
	disown # it may be killed
	until init=$(tr -d ' ' <"/proc/$unshare/task/$unshare/children") && [ -n "$init" ]; do sleep 0.1; done
}

booted() { systemctl is-system-running 2>&1 | grep -qxE 'running|degraded'; }

# power_off: what systemctl poweroff does where there is no logind, about which
# systemd 257 complains.
power_off() { systemctl start --no-block --job-mode=replace-irreversibly poweroff.target; }

# systemd_ended: after power_off.
systemd_ended() { ! kill -0 "$init" 2>/dev/null; }

# inside COMMAND...: runs it where systemd sees its process.
inside() { nsenter --target "$init" --pid --mount "$@"; }

# killed_when WHEN ARGUMENT...: runs the program inside, and kills it as soon as the command
# WHEN succeeds. It may just have ended by itself. What it says is in /tmp/said.
killed_when() {
	local call child=''
	: >/tmp/said
	nsenter --target "$init" --pid --mount /usr/local/sbin/xbr-script "${@:2}" >/tmp/said 2>&1 </dev/null &
	call=$!
	until "$1"; do
		kill -0 "$call" 2>/dev/null || "$1" || fail "xbr-script ${*:2} has ended before $1: $(cat /tmp/said)"
	done
	read -r child <"/proc/$call/task/$call/children" || true # nsenter's
	[ -z "$child" ] || kill -KILL "$child" || true
	wait "$call" 2>/dev/null || true
}

# taken_back: the change that waited to be confirmed is gone.
taken_back() { [ ! -e /run/xbr-script/journal ] && ! xbr-script status >/dev/null; }

# systemctl ARGUMENT...: as ever. While systemd runs it has to be called where
# the process ids are systemd's.
systemctl() {
	if [ -n "${init-}" ]; then
		inside systemctl "$@"
	else
		command systemctl "$@"
	fi
}

ended() { ! systemctl -q is-active "$1"; }

# log UNIT...: what these have said.
log() { journalctl --no-pager -o cat "${@/#/--unit=}" | show; }
