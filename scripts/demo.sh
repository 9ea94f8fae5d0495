#!/usr/bin/env bash
# Shows a whole network come up, work and come down: a dom0 with two bridges,
# a guest "lvs" on both, and guests "web1" and "web2" on the second, whose only
# way out is lvs. Probes run from the LAN to dom0 all the while.
#
#   scripts/demo.sh [BINARY]      BINARY: what to show, ./xbr-script by default
#
# Everything lives in namespaces of its own: network, mounts, processes. The
# machine's interfaces, routes and rules are not touched, and as soon as the
# first process in there ends, the kernel takes all the rest away with it. (It
# may load modules for what is made in there: they stay.)
# Exit status 0: all that it says it shows was so.
set -eEu
set -o pipefail
export demo_locale=${demo_locale:-${LC_ALL:-${LC_CTYPE:-${LANG:-C}}}} # what the terminal can show
export LC_ALL=C # a point in numbers, and messages as they are matched below
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# The one-line form, as it stands in xend-config.sxp.
antispoof=yes
wanted=(
	vifnum=0 bridge=xenbr0 netdev=eth0 "antispoof=$antispoof"
	--next vifnum=1 bridge=xenbr1 netdev=dummy0 "antispoof=$antispoof" ip_forward=0
)

# How many lost probes are too many, each way, for start and for stop.
too_many=100

outside_address=203.0.113.10

# shellcheck source=scripts/checks.sh
. "$(dirname "$0")/checks.sh"

refuse() {
	echo "demo: $*" >&2
	exit 1
}

#
# Outside: on the machine itself.
#

tmp=
unload=

main() {
	check_machine
	trap 'clean_up' EXIT
	local signal
	for signal in HUP INT TERM; do
		# shellcheck disable=SC2064 # the name of this very signal
		trap "interrupted $signal" "$signal"
	done
	# A signal must not come between the creation of the folder and the
	# assignment.
	tmp=$(trap '' HUP INT TERM && mktemp -d)
	prepare "${1:-./xbr-script}"

	# In the background, because a shell that waits can react to a signal at
	# once. What unshare says when its child is killed is of no use.
	unshare "${private[@]}" "$BASH" "$0" --inside "$tmp" "$(readlink /proc/self/ns/net)" \
		3>&2 2>/dev/null &
	local status=0
	wait "$!" || status=$?
	exit "$status"
}

private=(--net --mount --pid --fork --kill-child --mount-proc)

check_machine() {
	local missing=() program
	[ "$(id -u)" -eq 0 ] || refuse "it makes network namespaces, and that needs root: sudo $0"
	for program in awk diff go ip iptables mktemp ping pkill sysctl unshare; do
		command -v "$program" >/dev/null || missing+=("$program")
	done
	[ "${#missing[@]}" -eq 0 ] || refuse "not installed: ${missing[*]} (make deps)"
	[ -n "${EPOCHREALTIME-}" ] || refuse "it needs bash 5 or later"
	[ -e /proc/sys/net/ipv6 ] || refuse "this kernel has no IPv6"
	unshare "${private[@]}" true || refuse "cannot make private namespaces here"
}

# prepare BINARY: puts the programs into one folder.
prepare() {
	[ -x "$1" ] || refuse "no program $1 (make build)"
	cp "$1" "$tmp/xbr-script"
	# Its work files go there too, so that they are removed with the rest.
	CGO_ENABLED=0 GOTMPDIR=$tmp go build -o "$tmp/probe" ./internal/testing/probe
	[ "$antispoof" != yes ] || load_br_netfilter
}

# load_br_netfilter: once this module is loaded, a machine filters all its
# bridges, in every network namespace. antispoof=yes needs it, so it is loaded
# here, where the machine's own settings can be switched off again.
load_br_netfilter() {
	[ ! -e /proc/sys/net/bridge ] || return 0
	modprobe -q br_netfilter || return 0 # the binary will say what is missing
	unload=br_netfilter
	sysctl -qw net.bridge.bridge-nf-call-{arp,ip,ip6}tables=0
}

clean_up() {
	[ -z "$unload" ] || modprobe -qr xt_physdev "$unload" || true
	[ -z "$tmp" ] || rm -rf "$tmp"
}

# interrupted SIGNAL: takes everything down, and dies of the signal.
interrupted() {
	trap '' HUP INT TERM
	if [ -n "${!-}" ]; then
		# The child of unshare is the first process of its namespace: when it
		# ends, everything inside does, and then unshare ends.
		while kill -0 "$!" 2>/dev/null && ! pkill -KILL -P "$!"; do
			sleep 0.01
		done
		wait "$!" 2>/dev/null || true
	fi
	echo "demo: interrupted, nothing is left" >&2
	clean_up
	trap - EXIT "$1"
	kill -s "$1" "$$"
}

#
# Inside: dom0 is the namespace itself, all others are named.
#

inside() {
	# The safety catch: from here on interfaces are made and changed.
	if [ "$$" -ne 1 ] || [ "$(readlink /proc/self/ns/net)" = "$2" ]; then
		refuse "not in namespaces of its own: call it without --inside"
	fi
	exec 2>&3 3>&-
	trap 'echo "demo: failed: $BASH_COMMAND" >&2' ERR
	trap '' PIPE # a closed pipe is an error like any other
	PATH=$1:$PATH
	mount -t sysfs sysfs /sys # otherwise /sys/class/net shows the machine's interfaces
	mount -t tmpfs tmpfs /run # for the names of namespaces, and the journal
	cd /

	lay_out
	step "dom0 before"
	shown ip -br addr | in_80_columns
	state >/run/before
	start_probes
	step "start, under probes from the LAN: 1000 a second each way"
	timed start xbr-script start "${wanted[@]}"
	[ "$failures" -eq 0 ] || refuse "there is no network to show"
	step "the guests come, and hang on their bridges"
	guests_come
	local status=0
	shown xbr-script status || status=$?
	check "exit status $status: up as asked" [ "$status" -eq 0 ]
	step "the network, as the kernel tells it"
	drawn xbr-script status --draw
	step "web1 reaches the outside, through lvs only"
	show_the_way
	step "stop, under the same probes"
	timed stop xbr-script stop "${wanted[@]}"
	stop_probes
	step "dom0 after: the guests are gone, everything is as it was"
	guests_go
	shown ip -br addr | in_80_columns
	check_state
	step "what the LAN noticed"
	summary
	[ "$failures" -eq 0 ] || refuse "$failures of the things above FAILED"
}

#
# What is printed.
#

steps=0 bold='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR-}" ] && [ "${TERM-dumb}" != dumb ]; then
	bold=$'\e[1m' plain=$'\e[m'
fi

step() {
	steps=$((steps + 1))
	printf '\n%s%d. %s%s\n' "$bold" "$steps" "$*" "$plain"
}

# shown COMMAND...: prints the command as one would type it, and runs it.
shown() {
	local line='#' word
	for word; do
		if [ "$word" = --next ] || [ $((${#line} + ${#word})) -gt 76 ]; then
			printf '%s \\\n' "$line"
			line='     '
		fi
		line+=" $word"
	done
	printf '%s\n' "$line"
	"$@"
}

# drawn COMMAND...: the same, in whatever this terminal can show.
drawn() {
	printf '# %s\n' "$*"
	env LC_ALL="$demo_locale" "$@"
}

# in_80_columns breaks longer lines, and aligns them with the addresses.
in_80_columns() {
	sed -E "/.{81}/s/^(.{1,80}) /\\1\\n$(printf '%32s' '')/"
}

# timed PHASE COMMAND...: runs the command as a phase of the probes' tally, with
# a quiet time before it, and time after it for what shows late (an ARP request
# is repeated after a second).
timed() {
	local begin end status=0
	phase "$1"
	shift
	sleep 0.1
	begin=${EPOCHREALTIME/./}
	shown "$@" || status=$?
	end=${EPOCHREALTIME/./}
	sleep 1.5
	phase quiet
	check "exit status $status, after $(millis $((end - begin))) ms" [ "$status" -eq 0 ]
}

# millis MICROSECONDS
millis() { printf '%d.%d' $(($1 / 1000)) $(($1 / 100 % 10)); }

#
# The machines.
#

# What a new namespace begins with depends on the machine.
known=(
	net.ipv4.conf.{all,default,lo}.{forwarding,rp_filter,arp_ignore,arp_announce,arp_filter,arp_notify,proxy_arp,promote_secondaries}"=0"
	net.ipv4.conf.{all,default,lo}.accept_redirects"=1"
	net.ipv6.conf.{all,default,lo}.{disable_ipv6,forwarding}"=0"
	net.ipv6.conf.{all,default}.{use_tempaddr,addr_gen_mode,keep_addr_on_down}"=0"
	net.ipv6.conf.{all,default}.{accept_ra,autoconf}"=1"
)

lay_out() {
	local name
	ip link set lo up
	sysctl -qw "${known[@]}" net.ipv4.ip_forward=1
	for name in gateway outside lvs web1 web2; do
		ip netns add "$name"
		ip -n "$name" link set lo up
		in_netns "$name" sysctl -qw "${known[@]}" net.ipv6.conf.{all,default}.accept_dad=0
	done
	in_netns gateway sysctl -qw net.ipv4.ip_forward=1
	in_netns lvs sysctl -qw net.ipv4.ip_forward=1

	join gateway wan 203.0.113.1/24 outside eth0 $outside_address/24
	ip -n outside route add default via 203.0.113.1
	first_network
	second_network
	no_tentative
}

in_netns() { ip netns exec "$@"; }

# join NETNS DEVICE ADDRESS NETNS DEVICE ADDRESS: connects the two by a cable.
join() {
	ip -n "$1" link add "$2" type veth peer name "$5" netns "$4"
	ip -n "$1" addr add "$3" dev "$2"
	ip -n "$4" addr add "$6" dev "$5"
	ip -n "$1" link set "$2" up
	ip -n "$4" link set "$5" up
}

# first_network: dom0's eth0 on the LAN, with some of everything that is easily
# lost on the way.
first_network() {
	ip link add eth0 address 00:1b:21:3c:4d:5e type veth peer name lan netns gateway
	ip -n gateway addr add 192.168.0.1/24 dev lan
	ip -n gateway addr add 2001:db8::1/64 dev lan
	ip -n gateway link set lan up
	ip -n gateway route add 192.168.1.0/24 via 192.168.0.30

	ip link set eth0 up
	ip addr add 192.168.0.2/24 brd + dev eth0
	ip addr add 192.168.0.22/24 brd + dev eth0 label eth0:www
	ip addr add 2001:db8::2/64 dev eth0 nodad
	ip route add default via 192.168.0.1
	ip -6 route add default via 2001:db8::1
	ip route add 198.51.100.0/24 via 192.168.0.1 metric 50 table 100
	ip rule add from 192.168.0.22 lookup 100
	ip neigh add 192.168.0.9 lladdr 00:16:3e:00:00:09 dev eth0 nud permanent
}

# second_network: dummy0, a network that leads nowhere.
second_network() {
	# This module makes devices on the machine when it is loaded, unless told
	# not to. The stand-in drops whatever is sent to it, just as a dummy does.
	modprobe -q dummy numdummies=0 2>/dev/null || true
	if ! ip link add dummy0 type dummy 2>/dev/null; then
		modprobe -q ifb numifbs=0 2>/dev/null || true
		ip link add dummy0 type ifb 2>/dev/null ||
			refuse "this kernel has neither the dummy nor the ifb driver"
		echo "(This kernel has no dummy driver: dummy0 is an ifb.)"
	fi
	ip link set dummy0 up
}

# no_tentative waits until the kernel has checked its link-local addresses.
no_tentative() {
	local tries=100
	while [ -n "$(ip -6 addr show tentative)" ] && [ "$((tries -= 1))" -gt 0 ]; do
		sleep 0.05
	done
}

# plug GUEST DEVICE ADDRESS MAC PORT BRIDGE: a guest's interface, and its port
# in dom0 as Xen's vif-bridge sets it up.
plug() {
	ip link add "$5" type veth peer name "$2" address "$4" netns "$1"
	ip -n "$1" addr add "$3" dev "$2"
	ip -n "$1" link set "$2" up
	ip link set "$5" address fe:ff:ff:ff:ff:ff arp off multicast off addrgenmode none
	ip link set "$5" master "$6"
	ip link set "$5" up
	vif_rules -I "$5"
}

# vif_rules -I|-D PORT: the rules by which vif-bridge lets a guest's packets
# through.
vif_rules() {
	[ "$antispoof" = yes ] || return 0
	iptables "$1" FORWARD -m physdev --physdev-is-bridged --physdev-in "$2" -j ACCEPT
	iptables "$1" FORWARD -m physdev --physdev-is-bridged --physdev-out "$2" -j ACCEPT
}

guests_come() {
	plug lvs eth0 192.168.0.30/24 00:16:3e:74:d4:bf vif1.0 xenbr0
	plug lvs eth1 192.168.1.10/24 00:16:3e:74:d5:bf vif1.1 xenbr1
	plug web1 eth0 192.168.1.11/24 00:16:3e:48:75:ab vif2.0 xenbr1
	plug web2 eth0 192.168.1.12/24 00:16:3e:51:1e:e5 vif3.0 xenbr1
	ip -n lvs route add default via 192.168.0.1
	ip -n web1 route add default via 192.168.1.10
	ip -n web2 route add default via 192.168.1.10
}

guests_go() {
	local port
	for port in vif1.0 vif1.1 vif2.0 vif3.0; do
		vif_rules -D "$port"
		ip link del "$port"
	done
}

#
# What is looked at.
#

# state prints everything that dom0 has, except counters and what is learnt.
state() {
	ip -d addr
	ip rule
	ip -6 rule
	ip route show table all
	ip -6 route show table all | sort
	ip neigh show nud permanent
	ip neigh show proxy
	sysctl -a -r '^net\.ipv[46]\.(conf|neigh)\.|\.ip_forward$' 2>/dev/null
	rules iptables
	rules ip6tables
}

# rules COMMAND: prints the rules; an empty table makes no difference.
rules() {
	"$1-save" | awk -v name="$1" '!/^(#|\*|COMMIT|:[A-Z]+ ACCEPT)/ { print name, $0 }'
}

check_state() {
	state >/run/after
	if cmp -s /run/before /run/after; then
		check "identical: $(wc -l </run/before) lines of addresses, routes, rules, neighbours, sysctls" true
	else
		diff -U0 /run/before /run/after | sed 1,2d || true
		check "identical to what it was before" false
	fi
}

show_the_way() {
	check "from web1, hop by hop: $(hops web1)" \
		[ "$(hops web1)" = "192.168.1.10 192.168.0.1 $outside_address" ]
	check "from web2, hop by hop: $(hops web2)" \
		[ "$(hops web2)" = "192.168.1.10 192.168.0.1 $outside_address" ]
	prober outside serve "$outside_address" 8>&- 9>&- &
	local seen
	seen=$(in_netns web1 probe ask "$outside_address")
	check "the outside sees web1 as $seen" [ "$seen" = 192.168.1.11 ]

	in_netns lvs sysctl -qw net.ipv4.ip_forward=0
	check "no answer when lvs does not forward" not reaches web1 "$outside_address"
	in_netns lvs sysctl -qw net.ipv4.ip_forward=1
	check "an answer when it does again" reaches web1 "$outside_address"

	# The other bridge is the LAN, but web1 is not on it, so nobody there hears
	# it.
	ip -n web1 route add 192.168.0.1 dev eth0
	check "no answer from the LAN without lvs, on web1's own wire" not reaches web1 192.168.0.1
	ip -n web1 route del 192.168.0.1 dev eth0
}

# reaches NETNS ADDRESS
reaches() { in_netns "$1" ping -n -q -c 1 -W 1 "$2" >/dev/null; }

# hops NETNS: who answers on the way to the outside, hop by hop.
hops() {
	local ttl
	for ttl in 1 2 3; do
		{ in_netns "$1" ping -n -c 1 -W 1 -t "$ttl" "$outside_address" || true; } |
			sed -n 's/.*[Ff]rom \([0-9.]*\).*/\1/p'
	done | paste -sd ' '
}

#
# The probes.
#

# prober NETNS ARGUMENT...: with the highest priority, so that its losses are
# the network's doing even on a busy machine.
prober() { ${1:+in_netns "$1"} nice -n -20 probe "${@:2}"; }

# start_probes: names of phases go to the prober, and its tally comes back.
start_probes() {
	mkfifo /run/phases /run/tally
	prober '' serve 192.168.0.2 2001:db8::2 &
	prober gateway watch 192.168.0.2 2001:db8::2 </run/phases >/run/tally &
	exec 8>/run/phases 9</run/tally
	read -r -t 10 -u 9 || refuse "dom0 cannot be reached from the LAN even before"
	phase quiet
}

# phase NAME: begins a phase; probes sent from now on count for it.
phase() {
	echo "$1" >&8 || refuse "the probes ran out of time: this machine is too busy now"
}

stop_probes() {
	exec 8>&-
	cat <&9 >/run/report
}

# summary prints the tally, and judges it. Its last part is what the machine
# itself does to probes while nothing happens to the network.
summary() {
	local phase way sent lost gap
	printf '%25s %8s   %s\n' probes lost 'longest gap'
	for phase in start stop quiet; do
		grep "^$phase " /run/report
	done >/run/tallied
	while read -r phase way sent lost gap; do
		printf '  %-6s %-8s %7d %8d %10s ms\n' "$phase" "$way" "$sent" "$lost" "$gap"
	done </run/tallied
	while read -r phase way sent lost gap; do
		case $phase/$way in
		quiet/*) ;;
		*/TCP) check "$phase: the TCP session lives, every message was answered" [ "$lost" -eq 0 ] ;;
		*) check "$phase: $lost lost over $way, no more than $too_many" [ "$lost" -le "$too_many" ] ;;
		esac
	done </run/tallied
}

case ${1-} in
--inside) inside "${@:2}" ;;
*) main "$@" ;;
esac
