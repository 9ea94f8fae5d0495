# shellcheck shell=bash
# The network of the virtual machine, as a real host has it before anything
# was set up: each NIC is down, has no address, and a cable to a LAN of its
# own.
#
#   eth0 eth1 eth2    e1000 (Intel's PCI NICs), going to lan0 lan1 lan2
#   eth3              virtio-net, going to lan3
#
# The far ends are NICs of the same machine, each called "wire", in network
# namespaces called lan0 to lan3.

nics=4

# lay_out gives the NICs their names by the MAC addresses that run.sh chose.
lay_out() {
	modprobe -a e1000 virtio_pci virtio_net
	local n name
	# First names that are nobody's: the kernel has given out eth0 and so on.
	for name in $(names_by_mac 52:54:00:); do
		ip link set "$name" name "new-$name"
	done
	for ((n = 0; n < nics; n++)); do
		ip link set "$(names_by_mac "52:54:00:12:00:0$n")" name "eth$n"
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
