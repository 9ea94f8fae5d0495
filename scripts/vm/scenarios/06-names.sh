# shellcheck shell=bash
# NICs with names of today, long ones and alternative ones
give 0 192.168.0.2/24 192.168.0.1/24
give 3 192.168.3.2/24 192.168.3.1/24
for names in eth0:enp3s0 eth3:enx525400120003; do
	ip link set "${names%:*}" down
	# It may be one that udev has given the NIC already, for its MAC address.
	ip link property del dev "${names%:*}" altname "${names#*:}" 2>/dev/null || true
	ip link set "${names%:*}" name "${names#*:}"
	ip link set "${names#*:}" up
done
udevadm settle
ip link property add dev enp3s0 altname lan-of-the-house
ip route add default via 192.168.0.1
expect "the LAN reaches the host" answers 192.168.0.2 lan 0
state_save before

xbr start
expect "status says: up as asked" xbr-script status
expect "the default is the default route's NIC: penp3s0 is a port of xenbr0" is_port penp3s0 xenbr0
expect "dom0's enp3s0 has its alternative name" \
	grep -q '^[0-9]*: enp3s0@' <(ip link show lan-of-the-house)
expect "the LAN reaches the host" answers 192.168.0.2 lan 0
expect "a name that leaves no room for the p loses its first character to it" \
	grep -q 'name pnx525400120003' <(xbr-script start netdev=enx525400120003 bridge=xenbr3 vifnum=3 --dry-run)
expect "with nothing changed" answers 192.168.3.2 lan 3

xbr stop
expect "the LAN reaches the host" answers 192.168.0.2 lan 0
expect "lan3 reaches the host" answers 192.168.3.2 lan 3
state_same before
