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

# gets UNIT: it gets answers. silent UNIT: it gets none.
gets() {
	rm -f "/run/$1"
	wait_for 50 test -e "/run/$1"
}
silent() {
	sleep 1.5 # what it has sent before is answered by then
	rm -f "/run/$1"
	sleep 1.5
	[ ! -e "/run/$1" ]
}
right() {
	expect "$1: what may use eth0 gets answers" gets only
	expect "$1: what may not gets none" silent not
	expect "$1: what may use any but eth1 does" gets free
}
right "before"

# named COMMAND...: what is said of them.
named() {
	checked 4 "$@"
	says "will break unit: not.service may not use eth0: restart it afterwards: systemctl restart not.service"
	says "will break unit: only.service may use only eth0: restart it afterwards: systemctl restart only.service"
	refute "free.service is not named" grep free.service /tmp/checked
}
# broken WHEN: it has become of them what was said.
broken() {
	expect "$1: what may use eth0 gets no answers" silent only
	expect "$1: what may not gets some" gets not
	expect "$1: what may use any but eth1 does" gets free
}
for shape in '' dom0=bridge; do
	# shellcheck disable=SC2086 # it may be empty
	named start netdev=eth0 $shape
	# shellcheck disable=SC2086 # it may be empty
	xbr start netdev=eth0 $shape
	broken "after start"
	systemctl restart only not
	right "after start, restarted"
	named stop
	xbr stop
	broken "after stop"
	systemctl restart only not
	right "after stop, restarted"
done
checked 4 start netdev=eth0 dom0=bridge bridge=xenbr0
says "will break unit: only.service may use only eth0: dom0's interface is called xenbr0 then"
power_off
