# shellcheck shell=bash
# What scenarios call that have guests: with Debian's kernel and busybox (see
# guest.sh), made by xl and put on their bridges by the vif-bridge that is in
# /etc/xen/scripts.

# guest NAME [TYPE]: starts one, a PV guest by default, or pvh. Its vif lines come
# by standard input, as they stand in /etc/xen/NAME. It is up when in_guest first
# returns.
guest() {
	local begin=$EPOCHREALTIME type=${2:-pv}
	{
		cat
		cat <<-END
			name = "$1"
			type = "$type"
			memory = 96
			kernel = "/guest/vmlinux"
			ramdisk = "/guest/initramfs"
			extra = "console=hvc0 quiet loglevel=1"
		END
	} >"/etc/xen/$1"
	rm -f "/tmp/tty.$1"
	if ! xl create "/etc/xen/$1" >/tmp/said 2>&1 </dev/null; then
		echo "   \$ xl create /etc/xen/$1"
		show </tmp/said
		fail "guest $1 does not start"
	fi
	say "xl create /etc/xen/$1: domain $(xl domid "$1"), $type ($(since "$begin") s)"
}

# port NAME N: dom0's end of the guest's Nth NIC.
port() { echo "vif$(xl domid "$1").$2"; }

# saved NAME: writes the guest to a file, and ends it.
saved() {
	local begin=$EPOCHREALTIME
	expect "xl save $1" xl save "$1" "/tmp/saved.$1"
	say "to $(stat -c %s "/tmp/saved.$1") bytes ($(since "$begin") s)"
}

# restored NAME: goes on with the one that was saved, as another domain with another
# console.
restored() {
	local begin=$EPOCHREALTIME tty
	expect "xl restore $1" xl restore "/tmp/saved.$1"
	rm "/tmp/saved.$1"
	tty=$(xenstore-read "/local/domain/$(xl domid "$1")/console/tty")
	stty -F "$tty" raw -echo
	echo "$tty" >"/tmp/tty.$1"
	say "as domain $(xl domid "$1") ($(since "$begin") s)"
}

# guest_gone NAME: ends one, as a power cut would.
guest_gone() {
	xl destroy "$1"
	say "xl destroy $1"
}

# in_guest NAME COMMAND...: runs it in there, all of it read by a shell again.
in_guest() {
	local tty line=${*:2}
	tty=$(console "$1") || return
	exec 4<>"$tty"
	echo "${line//$'\n'/ }" >&4
	while read -r -t 60 -u 4 line; do
		line=${line%$'\r'}
		case $line in
		*'@end '*)
			printf '%s' "${line%@end *}"
			exec 4>&-
			return "${line##*@end }"
			;;
		esac
		printf '%s\n' "$line"
	done
	echo "guest $1 does not answer on its console"
	exec 4>&-
	return 1
}

# console NAME prints the guest's console, and waits until it is up.
console() {
	local id tty line
	if [ -e "/tmp/tty.$1" ]; then
		cat "/tmp/tty.$1"
		return
	fi
	id=$(xl domid "$1") && tty=$(xenstore-read "/local/domain/$id/console/tty") || return
	stty -F "$tty" raw -echo
	while read -r -t 60 line; do
		case $line in
		*@up*)
			echo "$tty" >"/tmp/tty.$1"
			echo "$tty"
			return
			;;
		esac
	done <"$tty"
	echo "guest $1 does not come up"
	return 1
}

# reaches NAME ADDRESS: as answers, from in there.
reaches() {
	local i
	for ((i = 0; i < 20; i++)); do
		if in_guest "$1" "ping -c 1 -W 1 $2" >/dev/null; then return; fi
	done
	echo "no answer from $2 for guest $1"
	return 1
}

# cut_off NAME ADDRESS: nobody answers there.
cut_off() { ! in_guest "$1" "ping -c 2 -W 1 $2"; }

# wrapper NAME: puts testdata/seeds/NAME into /etc/xen/scripts, beside a
# network-bridge that is xbr-script. It is called as xend calls it.
wrapper() {
	ln -sfn /usr/local/sbin/xbr-script /etc/xen/scripts/network-bridge
	install -m 755 "/vm/seeds/$1" /etc/xen/scripts
}

# network_script NAME start|stop: what xend does with (network-script NAME).
network_script() {
	local begin=$EPOCHREALTIME status=0
	"/etc/xen/scripts/$1" "$2" >/tmp/said 2>&1 </dev/null || status=$?
	echo "   \$ /etc/xen/scripts/$1 $2 # $(since "$begin") s"
	show </tmp/said
	[ "$status" -eq 0 ] || fail "$1 ended with status $status"
}

# upstream_vif_bridge: Debian has switched off what makes the rules for guests
# (bug #894013); without that line its vif-bridge is Xen's own.
upstream_vif_bridge() {
	sed -i '/^handle_iptable/,/^}/{/^  return 0$/d}' /etc/xen/scripts/vif-common.sh
	say "vif-common.sh without Debian's return 0 in handle_iptable"
}

# brctl_shows: brctl show prints what standard input has, but for white space.
brctl_shows() {
	cat >/tmp/bridges
	expect "brctl show: $1" diff -w /tmp/bridges <(brctl show)
}

# pings_begin N ADDRESS: from lanN, from now on, twenty a second.
# pings_end N: no more of them. none_missing N: each had its answer, but for
# the last, which may still have been on its way.
pings_begin() {
	ip netns exec "lan$1" ping -n -i 0.05 "$2" >"/tmp/pings.$1" 2>&1 </dev/null &
	echo "$!" >"/tmp/pings.$1.pid"
}

pings_end() {
	sleep 1
	kill -INT "$(cat "/tmp/pings.$1.pid")"
	wait "$(cat "/tmp/pings.$1.pid")" || true
}

none_missing() {
	local answers last
	answers=$(grep -o 'icmp_seq=[0-9]*' "/tmp/pings.$1" | sort -u | wc -l)
	last=$(grep -o 'icmp_seq=[0-9]*' "/tmp/pings.$1" | cut -d= -f2 | sort -n | tail -n 1)
	echo "$answers answers to ${last:-0} pings"
	[ "$answers" -ge 5 ] && [ "$answers" -eq "$last" ]
}

# none_lost PHASE WAY...: of the probes of that phase, and there were some.
none_lost() {
	local way
	for way in "${@:2}"; do
		grep -E "^$1 $way [1-9][0-9]* 0 " /tmp/tallied || return
	done
}

# answered N: how many pings were.
answered() { grep -c 'icmp_seq=' "/tmp/pings.$1"; }

# explain: what fail shows of guests.
explain() {
	xl list
	bridge link
	grep -v 'logger: command not found' /var/log/xen/xen-hotplug.log | tail -n 30
	dmesg | grep segfault
}

# seed000: dom0 and its LAN as in seed 000, before mybridge is called, and
# that as a wrapper. The outside, 203.0.113.10, is behind the LAN's gateway,
# which knows the way back.
seed000() {
	modprobe dummy numdummies=1
	give 0 192.168.0.2/24 192.168.0.1/24
	ip route add default via 192.168.0.1
	ip -n lan0 addr add 203.0.113.10/32 dev lo
	ip -n lan0 route add 192.168.1.0/24 via 192.168.0.30
	expect "the LAN reaches the host" answers 192.168.0.2 lan 0
	wrapper mybridge
}

# seed000_guests WEB...: lvs and of its web servers those, with the article's
# vif lines, each with its addresses. lvs is their router.
seed000_guests() {
	local web macs=([1]=00:16:3e:48:75:ab [2]=00:16:3e:51:1e:e5)
	guest lvs <<-'END'
		vif = [ 
		        "mac=00:16:3e:74:d4:bf,bridge=xenbr0",
		        "mac=00:16:3e:74:d5:bf,bridge=xenbr1",
		      ]
	END
	for web; do
		guest "web$web" <<<"vif = [ \"mac=${macs[web]},bridge=xenbr1\" ]"
	done
	expect "lvs has its addresses and forwards" in_guest lvs \
		'ip addr add 192.168.0.30/24 dev eth0 && ip addr add 192.168.1.10/24 dev eth1 &&
		ip link set eth0 up && ip link set eth1 up && ip route add default via 192.168.0.1 &&
		sysctl -w net.ipv4.ip_forward=1'
	for web; do
		expect "web$web has its address, lvs is its router" in_guest "web$web" \
			"ip addr add 192.168.1.1$web/24 dev eth0 && ip link set eth0 up && ip route add default via 192.168.1.10"
	done
}
