# shellcheck shell=bash
# A NIC with virtual functions (SR-IOV): they stay with the NIC and go on, and its switch sends dom0 what is for dom0
# NICs: igb e1000
needs "a NIC with virtual functions (QEMU 8 or later)" test -w /sys/class/net/eth0/device/sriov_numvfs

# settings: what the NIC keeps for its functions.
settings() { ip -d link show "$1" | grep ' vf '; }
# function_of NUMBER: the interface that it is.
function_of() { basename "$(ls -d "/sys/class/net/eth0/device/virtfn$1/net/"*)"; }
# taken: the NIC takes frames for dom0's address besides its own.
taken() { bridge fdb show | grep -q '^52:54:00:12:00:00 .*self'; }

give 0 192.168.0.2/24 192.168.0.1/24
echo 2 >/sys/class/net/eth0/device/sriov_numvfs
ip link set eth0 vf 0 mac 52:54:00:12:02:00
ip link set eth0 vf 1 mac 52:54:00:12:02:01 vlan 7 spoofchk off
modprobe igbvf # it takes the addresses that they have by then
wait_for 30 function_of 1 >/dev/null
# The first function is a guest's.
ip netns add guest
ip link set "$(function_of 0)" netns guest name eth0
ip -n guest addr add 192.168.0.9/24 dev eth0
ip -n guest link set eth0 up
guest() { ip netns exec guest "$@"; }

works() {
	expect "$1: the LAN reaches the host" answers 192.168.0.2 lan 0
	expect "$1: the LAN reaches the guest by its function" answers 192.168.0.9 lan 0
	expect "$1: the guest reaches the host" answers 192.168.0.2 guest
	settings "$2" >/tmp/now
	expect "$1: the NIC keeps the same for its functions" cmp /tmp/before /tmp/now
}

settings eth0 >/tmp/before
show </tmp/before
for shape in dom0=veth dom0=bridge; do
	works before eth0
	checked 0 "$shape"
	says 'stays with the NIC SR-IOV: 2 virtual functions'
	xbr start "$shape"
	works "after start" peth0
	[ "$shape" = dom0=bridge ] || expect "the NIC takes frames for dom0's address" taken
	xbr stop
	works "after stop" eth0
	refute "the NIC has no address besides its own" taken
done

# Without the entry the NIC's switch keeps from dom0 all but broadcasts, on Linux 6.12.
xbr start
bridge fdb del 52:54:00:12:00:00 dev peth0 self
ip -n lan0 neigh flush all
if lan 0 ping -n -q -c 2 -W 1 192.168.0.2 >/dev/null; then
	say "without that entry the LAN reaches the host, too"
else
	say "without that entry the LAN does not reach the host"
fi
xbr stop
works "after stop" eth0
