# shellcheck shell=bash
# Units of systemd that are bound to the NIC's device: kept until stop, whichever file binds them
needs "this machine's own kernel (scripts/vm/here.sh)" test -n "${HERE-}"
units=/etc/systemd/system
unit() { mkdir -p "$units/$(dirname "$1")" && printf '%s\n' "${@:2}" >"$units/$1"; }
bound=BindsTo=sys-subsystem-net-devices
once=(Type=oneshot RemainAfterExit=yes)
# An address by a template, as Arch Linux's wiki has it.
unit network@.service '[Unit]' "$bound-%i.device" 'After=sys-subsystem-net-devices-%i.device' '[Service]' "${once[@]}" \
	'ExecStart=ip link set %i up' 'ExecStart=ip addr add 192.168.0.2/24 dev %i' 'ExecStart=ip route add default via 192.168.0.1' \
	'ExecStop=ip addr flush dev %i' '[Install]' WantedBy=multi-user.target
# A process; by its own file, by one that is added to it, and by the device's other name.
run=(Type=exec 'ExecStart=sleep infinity')
unit tuned.service '[Unit]' "$bound-eth0.device" '[Service]' "${run[@]}"
unit added.service '[Service]' "${run[@]}"
unit added.service.d/profile.conf '[Unit]' "$bound-eth0.device"
unit path.service '[Unit]' BindsTo=sys-devices-virtual-net-eth0.device '[Service]' "${run[@]}"
# Nobody else needs it.
unit wanted.service '[Unit]' StopWhenUnneeded=yes '[Service]' "${run[@]}"
unit sys-subsystem-net-devices-eth0.device.d/wants.conf '[Unit]' Wants=wanted.service
# These do not end with it.
unit part.service '[Unit]' PartOf=sys-subsystem-net-devices-eth0.device '[Service]' "${run[@]}"
unit required.service '[Unit]' Requires=sys-subsystem-net-devices-eth0.device '[Service]' "${run[@]}"
all=(network@eth0 tuned added path wanted part required)
ip -n lan0 addr add 192.168.0.1/24 dev wire
mkdir -p /etc/xen
boot network@eth0
xbr-script() { inside xbr-script "$@"; }
explain() { journalctl --no-pager -o short-monotonic "${all[@]/#/--unit=}" | tail -n 40; }
systemctl start "${all[@]}"

# are_up: and none was begun anew.
pids() { systemctl show --property=Id,MainPID,InvocationID "$@"; }
are_up() { answers 192.168.0.2 lan 0 && systemctl -q is-active "${all[@]}" && pids "${all[@]}" | diff /tmp/pids -; }
pids "${all[@]}" >/tmp/pids
ends() { systemctl show --property=BoundBy --value sys-subsystem-net-devices-eth0.device | grep -q tuned; }
left() { find /run/systemd/system.control -type f 2>/dev/null | grep -q .; }
expect "they are up" are_up
expect "they are bound" ends

inside systemd-run --quiet --unit=transient --property="$bound-eth0.device" sleep infinity
checked 4
says "will break unit: transient.service"
says "followed unit: network@eth0.service"
systemctl stop transient
# by_nobody: a dry run without root has the unit's file.
by_nobody() {
	inside setpriv --reuid=65534 --regid=65534 --clear-groups /usr/local/sbin/xbr-script --dry-run start |
		grep -q '>/run/systemd/system.control/network@eth0.service$'
}
expect "a dry run knows how, also without root" by_nobody

for shape in '' dom0=bridge 'dom0=bridge bridge=lan'; do
	say "start $shape"
	# shellcheck disable=SC2086 # it may be empty
	xbr start $shape
	udevadm settle
	expect "they are up" are_up
	refute "they are not bound" ends
	expect "systemd reads its units anew" systemctl daemon-reload
	expect "they are up" are_up
	# shellcheck disable=SC2086 # it may be empty
	xbr stop $shape
	udevadm settle
	expect "they are up" are_up
	expect "they are bound" ends
	refute "no file stays" left
done

say "two that were begun while the bridge was up, one of them for the first time"
all+=(late)
unit late.service '[Unit]' "$bound-eth0.device" '[Service]' "${run[@]}"
systemctl stop tuned
xbr start
udevadm settle
systemctl start tuned late
pids "${all[@]}" >/tmp/pids
xbr stop
expect "they are up" are_up
expect "they are bound" ends

say "confirm= that runs out"
xbr start confirm=3
wait_for 30 taken_back
udevadm settle
expect "they are up" are_up
expect "they are bound" ends
refute "no file stays" left

say "killed in the middle of start, and recovered"
renamed() { [ -e /sys/class/net/peth0 ]; }
killed_when renamed start
xbr recover
udevadm settle
expect "they are up" are_up
expect "they are bound" ends
refute "no file stays" left
