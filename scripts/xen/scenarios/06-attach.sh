# shellcheck shell=bash
# A PV and a PVH guest beside each other; NICs attached and detached, with the bridge up, stopped, and started again
needs "Debian 13" suite trixie
give 0 192.168.0.2/24 192.168.0.1/24
ip route add default via 192.168.0.1
ip -n lan1 addr add 192.168.1.1/24 dev wire # eth1 is guests' alone
expect "the LAN reaches the host" answers 192.168.0.2 lan 0
state_save before
xbr start vifnum=0 netdev=eth0 --next vifnum=1 netdev=eth1

guest old <<'END'
vif = [ "mac=00:16:3e:00:00:11,bridge=xenbr0" ]
END
guest new pvh <<'END'
vif = [ "mac=00:16:3e:00:00:12,bridge=xenbr0,vifname=newport" ]
END
expect "old has its address" in_guest old "ip addr add 192.168.0.11/24 dev eth0 && ip link set eth0 up"
expect "new has its address" in_guest new "ip addr add 192.168.0.12/24 dev eth0 && ip link set eth0 up"
first_nics() {
	expect "old reaches the LAN" reaches old 192.168.0.1
	expect "new reaches the LAN" reaches new 192.168.0.1
	expect "old reaches dom0" reaches old 192.168.0.2
	expect "new reaches dom0" reaches new 192.168.0.2
	expect "old reaches new" reaches old 192.168.0.12
}
first_nics
expect "vifname= is the port's name" is_port newport xenbr0

# attach GUEST ADDRESS: another NIC, on xenbr1.
attach() {
	expect "xl network-attach $1" xl network-attach "$1" bridge=xenbr1
	expect "its port is on xenbr1" is_port "$(port "$1" 1)" xenbr1
	expect "$1 has it as eth1" wait_for 30 in_guest "$1" "ip addr add $2/24 dev eth1 && ip link set eth1 up"
	expect "$1 reaches the other LAN" reaches "$1" 192.168.1.1
}

# detach GUEST: that NIC again. Where its bridge is not up, xl says that vif-bridge has
# failed.
detach() {
	local port
	port=$(port "$1" 1)
	xl network-detach "$1" 1 >/tmp/said 2>&1 || say "xl network-detach ended with status $?"
	show </tmp/said
	expect "xl network-detach $1: the port is gone" wait_for 30 [ ! -e "/sys/class/net/$port" ]
	expect "$1 has no eth1" wait_for 30 in_guest "$1" "[ ! -e /sys/class/net/eth1 ]"
}

attach old 192.168.1.11
mv /usr/sbin/brctl /usr/sbin/brctl.away
say "without brctl, which vif-bridge calls if it is there"
attach new 192.168.1.12
mv /usr/sbin/brctl.away /usr/sbin/brctl
expect "old reaches new there, too" reaches old 192.168.1.12

ports() {
	brctl_shows "$1" <<-END
		bridge name	bridge id		STP enabled	interfaces
		xenbr0		8000.feffffffffff	no		newport
									peth0
									vif0.0
									$(port old 0)
		xenbr1		8000.feffffffffff	no		peth1
									vif0.1
									$(port old 1)
									$(port new 1)
	END
}
ports "four NICs of two guests"
xbr stop
expect "stopped: old does not reach the LAN" cut_off old 192.168.0.1
xbr start vifnum=0 netdev=eth0 --next vifnum=1 netdev=eth1
ports "started: all four are back"
first_nics
expect "old reaches the other LAN" reaches old 192.168.1.1
expect "new reaches the other LAN" reaches new 192.168.1.1

detach old
expect "status says: up as asked" xbr-script status
first_nics

xbr stop vifnum=1
detach new
refute "there is no xenbr1 to attach a NIC to" xl network-attach old bridge=xenbr1
expect "as docs/xen.md says, old has one all the same, in no bridge" [ -e "/sys/class/net/$(port old 1)" ]
detach old
first_nics
xbr start vifnum=1 netdev=eth1
upstream_vif_bridge # which makes rules
attach old 192.168.1.11
attach new 192.168.1.12
ports "four NICs of two guests again"

old=vif$(xl domid old).
new=$(port new 1)
guest_gone old
refute "no rules of old are left" grep -F "$old" <(iptables-save)
xbr stop
xl destroy new 2>&1 | show
say "xl destroy new"
expect "as docs/xen.md says, rules of new are left" grep -F "$new" <(iptables-save)
iptables -F FORWARD
expect "the LAN reaches the host" answers 192.168.0.2 lan 0
state_same before
