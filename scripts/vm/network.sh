# shellcheck shell=bash
# The network of the virtual machine, as a real host has it before anything
# was set up: each NIC is down, has no address, and a cable to a LAN of its
# own: eth0 to lan0 and so on. Of which models they are is run.sh's choice.
#
# The far ends are NICs of the same machine, each called "wire", in network
# namespaces called lan0, lan1, …

# lay_out gives the NICs their names by the MAC addresses that run.sh chose.
lay_out() {
	local n name models
	modprobe -a virtio_pci virtio_net
	# The other models' drivers. Some devices, which are no NICs, have none.
	mapfile -t models < <(sort -u /sys/bus/pci/devices/*/modalias)
	modprobe -aq "${models[@]}" || true
	# First names that are nobody's: the kernel has given out eth0 and so on.
	for name in $(names_by_mac 52:54:00:); do
		ip link set "$name" name "new-$name"
	done
	for ((n = 0; ; n++)); do
		name=$(names_by_mac "52:54:00:12:00:0$n")
		[ -n "$name" ] || break
		ip link set "$name" name "eth$n"
		ip netns add "lan$n"
		ip link set "$(names_by_mac "52:54:00:12:01:0$n")" name wire netns "lan$n"
		ip -n "lan$n" link set lo up
		ip -n "lan$n" link set wire up
	done
	ip link set lo up
	# As on every Debian: it may change what it sees come, such as MAC addresses.
	/lib/systemd/systemd-udevd --daemon 2>/dev/null
	udevadm trigger --action=add --subsystem-match=net
	udevadm settle
}

# names_by_mac START: the NICs whose MAC address starts so.
names_by_mac() { ip -br link | awk -v start="$1" 'index($3, start) == 1 { print $1 }'; }
