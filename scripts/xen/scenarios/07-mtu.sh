# shellcheck shell=bash
# mtu= in vif lines: the guests' ports have it, also after stop and start; the bridge and dom0 keep the NIC's, in both shapes
needs "Debian 13" suite trixie
give 0 192.168.0.2/24 192.168.0.1/24
ip route add default via 192.168.0.1
expect "the LAN reaches the host" answers 192.168.0.2 lan 0
state_save before

guests() {
	guest big <<-'END'
		vif = [ "mac=00:16:3e:00:00:90,bridge=xenbr0,mtu=9000" ]
	END
	guest small <<-'END'
		vif = [ "mac=00:16:3e:00:00:14,bridge=xenbr0,mtu=1400", "mac=00:16:3e:00:00:91,bridge=xenbr0,mtu=9000" ]
	END
	expect "Linux does not take it in the guest, as docs/xen.md says" in_guest big "grep -x 1500 /sys/class/net/eth0/mtu"
	expect "big has its address, and an MTU of 9000" in_guest big \
		"ip link set eth0 mtu 9000 && ip addr add 192.168.0.90/24 dev eth0 && ip link set eth0 up"
	# It shall not answer ARP for the address of one NIC with the other's MAC address.
	expect "small has its addresses, and MTUs of 1400 and 9000" in_guest small \
		"sysctl -w net.ipv4.conf.all.arp_ignore=1 && ip link set eth0 mtu 1400 && ip addr add 192.168.0.14/24 dev eth0 && ip link set eth0 up &&
		ip link set eth1 mtu 9000 && ip addr add 192.168.9.91/24 dev eth1 && ip link set eth1 up"
	expect "and big is in small's other network" in_guest big "ip addr add 192.168.9.90/24 dev eth0"
}

# mtus NAME=MTU...: they have these.
mtus() {
	local pair
	for pair; do
		expect "${pair%=*}: MTU ${pair#*=}" grep -qx "${pair#*=}" "/sys/class/net/${pair%=*}/mtu"
	done
}
guests_mtus() { mtus "$(port big 0)=9000" "$(port small 0)=1400" "$(port small 1)=9000"; }

# whole BYTES ADDRESS [COMMAND...]: an IPv4 packet of that size is answered, in one piece.
whole() { wait_for 15 "${@:3}" ping -n -q -c 1 -W 1 -M "do" -s "$(($1 - 28))" "$2"; }

# sizes NIC: what passes, from the LAN to dom0 and the guests, and between these.
sizes() {
	expect "the LAN reaches dom0 with $1 bytes" whole "$1" 192.168.0.2 lan 0
	expect "dom0 reaches the LAN with $1 bytes" whole "$1" 192.168.0.1
	expect "the LAN reaches big with $1 bytes" whole "$1" 192.168.0.90 lan 0
	expect "the LAN reaches small with 1400 bytes" whole 1400 192.168.0.14 lan 0
	expect "small reaches big with 9000 bytes" in_guest small "ping -c 1 -W 5 -s 8972 192.168.9.90"
}

xbr start
guests
guests_mtus
mtus xenbr0=1500 eth0=1500 peth0=1500 vif0.0=1500
expect "the guest is told of it" [ "$(xenstore-read "/local/domain/$(xl domid big)/device/vif/0/mtu")" = 9000 ]
sizes 1500
xbr start
guests_mtus
xbr stop
guests_mtus
mtus eth0=1500
expect "stopped: the LAN reaches dom0 with 1500 bytes" whole 1500 192.168.0.2 lan 0
xbr start dom0=bridge bridge=xenbr0
guests_mtus
mtus xenbr0=1500 peth0=1500
sizes 1500
xbr stop

ip link set eth0 mtu 9000
ip -n lan0 link set wire mtu 9000
expect "the LAN reaches dom0 with 9000 bytes" whole 9000 192.168.0.2 lan 0
xbr start
guests_mtus
mtus xenbr0=9000 eth0=9000 peth0=9000 vif0.0=9000
sizes 9000
expect "xl network-attach, without mtu=" xl network-attach big bridge=xenbr0
mtus "$(port big 1)=9000" xenbr0=9000
guest_gone big
guest_gone small
xbr stop
mtus eth0=9000
ip link set eth0 mtu 1500
ip -n lan0 link set wire mtu 1500
expect "the LAN reaches the host" answers 192.168.0.2 lan 0
state_same before
