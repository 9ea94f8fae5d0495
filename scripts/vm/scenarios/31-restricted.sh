# shellcheck shell=bash
# Units that may use dom0's interface only, or may not use it (RestrictNetworkInterfaces=), whatever its index
needs "this machine's own kernel (scripts/vm/here.sh)" test -n "${HERE-}"
units=/etc/systemd/system
unit() { mkdir -p "$units/$(dirname "$1")" && printf '%s\n' "${@:2}" >"$units/$1"; }
# Each pings the LAN for as long as it is up, and notes what is answered.
run=(Type=exec 'ExecStart=sh -c "while sleep 0.2; do ping -q -c1 -W1 192.168.0.1 >/dev/null && echo >>/run/%N; done"')
unit only.service '[Service]' "${run[@]}" RestrictNetworkInterfaces=eth0
unit not.service '[Service]' "${run[@]}"
unit not.service.d/not.conf '[Service]' 'RestrictNetworkInterfaces=~eth0'
unit free.service '[Service]' "${run[@]}" RestrictNetworkInterfaces=~eth1
all=(only not free)
give 0 192.168.0.2/24 192.168.0.1/24
mkdir -p /etc/xen
boot
xbr-script() { inside xbr-script "$@"; }
explain() { journalctl --no-pager -o short-monotonic "${all[@]/#/--unit=}" | tail -n 40; }
systemctl start "${all[@]}"

# gets UNIT: it gets answers. silent UNIT: it gets none. pids: none is begun anew.
gets() {
	rm -f "/run/$1"
	wait_for 200 test -e "/run/$1"
}
silent() {
	sleep 1.5 # what it has sent before is answered by then
	rm -f "/run/$1"
	sleep 1.5
	[ ! -e "/run/$1" ]
}
pids() { systemctl show --property=Id,MainPID,InvocationID "${all[@]}"; }
right() {
	expect "$1: what may use eth0 gets answers" gets only
	expect "$1: what may not gets none" silent not
	expect "$1: what may use any but eth1 does" gets free
	expect "$1: none was begun anew" diff /tmp/pids <(pids)
}
pids >/tmp/pids
right "before"

for shape in '' dom0=bridge; do
	# shellcheck disable=SC2086 # it may be empty
	checked 0 start netdev=eth0 $shape
	says "followed unit: not.service may not use eth0: systemd is told to filter anew"
	says "followed unit: only.service may use only eth0: systemd is told to filter anew"
	refute "free.service is not named" grep free.service /tmp/checked
	# shellcheck disable=SC2086 # it may be empty
	xbr start netdev=eth0 $shape confirm=600
	right "not yet confirmed"
	xbr recover
	right "taken back"
	# shellcheck disable=SC2086 # it may be empty
	xbr start netdev=eth0 $shape
	right "after start"
	xbr stop
	right "after stop"
done

say "another name"
checked 4 start netdev=eth0 dom0=bridge bridge=xenbr0
says "will break unit: only.service may use only eth0: dom0's interface is called xenbr0 then"
unit only.service.d/more.conf '[Service]' 'RestrictNetworkInterfaces=xenbr0'
unit not.service.d/not.conf '[Service]' 'RestrictNetworkInterfaces=~eth0 xenbr0'
systemctl daemon-reload
xbr start netdev=eth0 dom0=bridge bridge=xenbr0
right "with both names"
xbr stop
right "with both names, after stop"

# What would become of it without.
say "without"
ip link set eth0 down
ip link set eth0 name peth0
ip link add eth0 type bridge
ip link set peth0 master eth0
ip addr flush dev peth0
ip addr add 192.168.0.2/24 dev eth0
ip link set peth0 up
ip link set eth0 up
expect "the LAN is reached" wait_for 50 ping -q -c1 -W1 192.168.0.1
expect "what may use eth0 gets no answers" silent only
expect "what may not gets some" gets not
power_off
