# shellcheck shell=bash
# antispoof=strict and vif-xbr: guests with ip= and without, that forge; addresses admitted, NICs attached and detached, a reboot, save and restore
# Xen 4.17 has no PVH guests under QEMU.
suite bookworm && kind=pv || kind=pvh
give 0 192.168.0.2/24 192.168.0.1/24
ip route add default via 192.168.0.1
expect "the LAN reaches the host" answers 192.168.0.2 lan 0
state_save before
ln -sfn /usr/local/sbin/xbr-script /etc/xen/scripts/vif-xbr
echo 'vif.default.script="vif-xbr"' >>/etc/xen/xl.conf
say "vif-xbr is the default script"

one=00:16:3e:00:00:11
two=00:16:3e:00:00:12
third=00:16:3e:00:00:21
stock=00:16:3e:00:00:13

# has NAME ADDRESS [NIC]: the guest gives itself that one.
has() {
	expect "$1 has $2" wait_for 30 in_guest "$1" "ip addr add $2/24 dev ${3-eth0} && ip link set ${3-eth0} up"
}

# hear_lan: /tmp/heard begins anew.
hear_lan() {
	[ -z "${hearing-}" ] || kill "$hearing"
	ip netns exec lan0 probe hear wire >/tmp/heard &
	hearing=$!
	until grep -qx hearing /tmp/heard; do sleep 0.1; done
}

# sends NAME ADDRESS...: pings the LAN as itself, then from each address, and says by ARP
# that it has it.
sends() {
	local text="ping -c 1 -W 1 192.168.0.1 >/dev/null" address
	for address in "${@:2}"; do
		text+="; ip addr add $address/32 dev eth0; ping -c 2 -W 1 -I $address 192.168.0.1 >/dev/null"
		text+="; arping -q -c 1 -w 1 -U -I eth0 $address; ip addr del $address/32 dev eth0"
	done
	in_guest "$1" "$text; true"
}

# sends_as NAME MAC OWN: the same with another MAC address, and its own again.
sends_as() {
	in_guest "$1" "ip link set eth0 down; ip link set eth0 address $2; ip link set eth0 up;
		ping -c 2 -W 1 192.168.0.1 >/dev/null;
		ip link set eth0 down; ip link set eth0 address $3; ip link set eth0 up; true"
}

heard() { grep "^$1 .* IPv4 $2 to 192.168.0.1 " /tmp/heard; }
claimed() { grep "ARP [12] $1 is $2" /tmp/heard; }
passes() { expect "passes: $3" heard "$1" "$2"; }
stopped() {
	refute "stopped: $3" heard "$1" "$2"
	refute "stopped: ARP of $3" claimed "$2" "$1"
}
from_nobody() { refute "stopped: $2" grep "^$1 " /tmp/heard; }

# shows PATTERN, hides PATTERN: xbr-script status does, and all is as asked.
shows() { expect "status shows: $1" grep -Eq "$1" <(xbr-script status); }
# says PATTERN: the same, whatever the lines are.
says() { expect "status says: $1" grep -Eq "$1" <(xbr-script status | tr -s ' \n' ' '); }
hides() { refute "status does not show: $1" grep -Eq "$1" <(xbr-script status); }
up_as_asked() { expect "status says: up as asked" xbr-script status; }

xbr start antispoof=strict
guest one <<<"vif = [ \"mac=$one,ip=192.168.0.11 10.9.0.0/16,bridge=xenbr0\" ]"
guest two "$kind" <<<"vif = [ \"mac=$two,bridge=xenbr0,vifname=twoport\" ]"
has one 192.168.0.11
has two 192.168.0.12
shows "^    vif[0-9]+\.0 +one $one 10\.9\.0\.0/16 192\.168\.0\.11 \(by xenstore\)"
shows "^    twoport +two $two \(any IP address\) \(by xenstore\)"
shows "of twoport only the MAC"
up_as_asked
both() {
	expect "one reaches the LAN" reaches one 192.168.0.1
	expect "one reaches dom0" reaches one 192.168.0.2
	expect "two reaches the LAN" reaches two 192.168.0.1
	expect "one reaches two" reaches one 192.168.0.12
}
both

forge() {
	hear_lan
	sends one 192.168.0.99 192.168.0.12 192.168.0.2 192.168.0.1 10.9.1.5
	sends two 192.168.0.98 192.168.0.11 192.168.0.2
	sends_as one 00:16:3e:00:00:99 $one
	sends_as two $one $two
	sends_as one 52:54:00:12:00:00 $one # dom0's
	passes $one 192.168.0.11 "one as itself"
	passes $one 10.9.1.5 "one as one of a network in its ip="
	stopped $one 192.168.0.99 "one as a stranger"
	stopped $one 192.168.0.12 "one as another guest"
	stopped $one 192.168.0.2 "one as dom0"
	stopped $one 192.168.0.1 "one as the gateway"
	from_nobody 00:16:3e:00:00:99 "one with another MAC address"
	passes $two 192.168.0.12 "two as itself"
	passes $two 192.168.0.98 "two as a stranger: it has no ip="
	stopped $two 192.168.0.11 "two as one"
	stopped $two 192.168.0.2 "two as dom0"
	refute "stopped: two with one's MAC address" heard $one 192.168.0.12
	refute "stopped: one with dom0's MAC address" heard 52:54:00:12:00:00 192.168.0.11
	both
}
forge
for reason in mac arp ipv4; do
	expect "status counts what was dropped: $reason" grep -q "\"$reason\": [1-9]" <(xbr-script status --json)
done

mv /run/xenstored/socket /run/xenstored/away
shows "^    twoport +two $two"
mv /run/xenstored/away /run/xenstored/socket
say "which it had from the kernel's device, without the daemon's socket"

own=$(port one 0)
xbr admit port="$own" mac=$one ip=192.168.0.11,10.9.0.0/16,192.168.0.31
hear_lan
sends one 192.168.0.31 192.168.0.32
passes $one 192.168.0.31 "one with an address that it is given while it is up"
stopped $one 192.168.0.32 "one with one that it is not given"
says "its vif line says ip=192\.168\.0\.11 10\.9\.0\.0/16; what was admitted counts"
up_as_asked
xbr dismiss port="$own"
expect "one is cut off" cut_off one 192.168.0.1
shows "^  cut off +$own: nobody admitted it; this does: xbr-script start"
xbr start
expect "one reaches the LAN" reaches one 192.168.0.1
up_as_asked

expect "xl network-attach one" xl network-attach one mac=$third bridge=xenbr0 ip=192.168.0.21
has one 192.168.0.21 eth1
shows "one $third 192\.168\.0\.21 "
expect "one reaches the LAN by its second NIC" reaches one "192.168.0.1 -I eth1"
expect "xl network-detach one" xl network-detach one 1
expect "its port is gone" wait_for 30 [ ! -e "/sys/class/net/$(port one 1)" ]
hides "$third"
refute "a NIC with an address that another guest has is not attached" xl network-attach one mac=$third bridge=xenbr0 ip=192.168.0.11
expect "xl network-detach one" xl network-detach one 1
up_as_asked

before=$(xl domid one)
in_guest one "reboot -f" >/dev/null 2>&1 &
ended=$!
again() { local now; now=$(xl domid one 2>/dev/null) && [ "$now" != "$before" ]; }
expect "one reboots, as another domain" wait_for 100 again
kill "$ended" 2>/dev/null || true
rm -f /tmp/tty.one
has one 192.168.0.11
up_as_asked
hides "vif$before\.0"
saved two
saved one
up_as_asked
hides "$two"
hides "$one"
restored two
restored one
shows "^    twoport +two $two"
shows "^    vif[0-9]+\.0 +one $one 10\.9\.0\.0/16 192\.168\.0\.11 \(by xenstore\)"
up_as_asked
hear_lan
sends one 192.168.0.12
sends two 192.168.0.11
passes $one 192.168.0.11 "one as itself"
stopped $one 192.168.0.12 "one as another guest"
passes $two 192.168.0.12 "two as itself"
stopped $two 192.168.0.11 "two as one"
both

guest stock <<<"vif = [ \"mac=$stock,ip=192.168.0.13,bridge=xenbr0,script=vif-bridge\" ]"
has stock 192.168.0.13
expect "with vif-bridge it is cut off" cut_off stock 192.168.0.1
refute "status says that this is not as asked" xbr-script status
shows "^  cut off +$(port stock 0): nobody admitted it; this does: xbr-script start"
says "$(port stock 0) came by vif-bridge, which admits nobody"
xbr start
expect "start admits it by what xenstore says: it reaches the LAN" reaches stock 192.168.0.1
up_as_asked
guest_gone stock
mkdir -p /etc/xen/scripts/vif-post.d
cat >/etc/xen/scripts/vif-post.d/xbr-script.hook <<'END'
/etc/xen/scripts/vif-xbr "$command" type_if="$type_if"
END
chmod 755 /etc/xen/scripts/vif-post.d/xbr-script.hook
guest stock <<<"vif = [ \"mac=$stock,ip=192.168.0.13,bridge=xenbr0,script=vif-bridge\" ]"
has stock 192.168.0.13
expect "with vif-bridge and the hook it reaches the LAN" reaches stock 192.168.0.1
up_as_asked
refute "status says nothing of vif-bridge" grep -q "came by" <(xbr-script status)

for name in one two stock; do guest_gone $name; done
hides "(one|two|stock) 00:16"
up_as_asked

xbr start antispoof=yes
guest one <<<"vif = [ \"mac=$one,ip=192.168.0.11,bridge=xenbr0\" ]"
has one 192.168.0.11
hear_lan
sends one 192.168.0.99
passes $one 192.168.0.11 "antispoof=yes, with Debian's vif-common.sh: one as itself"
refute "stopped: one as a stranger" heard $one 192.168.0.99
guest_gone one
refute "no rules of it are left" grep -E "physdev-(in|out) vif[1-9]" <(iptables-save)
kill "$hearing"
xbr stop
expect "the LAN reaches the host" answers 192.168.0.2 lan 0
state_same before
