# shellcheck shell=bash
# antispoof=strict with seed 000's guests: lvs, by lines of the file, routes for web1 with ip= and web2 without; all of them forge
seed000
sysctl -qw net.ipv4.ip_forward=1
state_save before
echo 'vif.default.script="vif-xbr"' >>/etc/xen/xl.conf
ln -sfn /usr/local/sbin/xbr-script /etc/xen/scripts/vif-xbr

lan=00:16:3e:74:d4:bf  # lvs' own, on xenbr0
webs=00:16:3e:74:d5:bf # and on xenbr1
web1=00:16:3e:48:75:ab
web2=00:16:3e:51:1e:e5
cat >/etc/xen/xbr-script.conf <<END
vifnum=0 bridge=xenbr0 netdev=eth0 antispoof=strict
vifnum=1 bridge=xenbr1 netdev=dummy0 antispoof=strict
ip_forward=0
port=lvs0 mac=$lan ip=192.168.0.30 router=yes
port=lvs1 mac=$webs ip=192.168.1.10 router=yes
END
xbr start
guest lvs <<<"vif = [ \"mac=$lan,bridge=xenbr0,vifname=lvs0\", \"mac=$webs,bridge=xenbr1,vifname=lvs1\" ]"
guest web1 <<<"vif = [ \"mac=$web1,ip=192.168.1.11,bridge=xenbr1\" ]"
guest web2 <<<"vif = [ \"mac=$web2,bridge=xenbr1\" ]"

lvs_up() {
	expect "lvs has its addresses and forwards" wait_for 30 in_guest lvs \
		'ip addr add 192.168.0.30/24 dev eth0 && ip addr add 192.168.1.10/24 dev eth1 &&
		ip link set eth0 up && ip link set eth1 up && ip route add default via 192.168.0.1 &&
		sysctl -w net.ipv4.ip_forward=1'
}
lvs_up
for n in 1 2; do
	expect "web$n has its address, lvs is its router" in_guest web$n \
		"ip addr add 192.168.1.1$n/24 dev eth0 && ip link set eth0 up && ip route add default via 192.168.1.10"
done

# outside: all that worked in seed 000.
outside() {
	local name
	for name in web1 web2; do
		expect "$name reaches the outside" reaches $name 203.0.113.10
		expect "$name reaches the gateway itself" reaches $name 192.168.0.1
	done
	expect "the LAN reaches web1" answers 192.168.1.11 lan 0
	expect "lvs reaches the host" reaches lvs 192.168.0.2
	expect "web1 reaches web2" reaches web1 192.168.1.12
	expect "the LAN reaches the host" answers 192.168.0.2 lan 0
	expect "status says: up as asked" xbr-script status
}
outside
expect "status shows lvs as a router" grep -Eq "^    lvs0 +lvs $lan 192\.168\.0\.30 router=yes" <(xbr-script status)

# sends NAME NIC TO ADDRESS...: pings from each address, and says by ARP that it has it.
sends() {
	local text=true address
	for address in "${@:4}"; do
		text+="; ip addr add $address/32 dev $2; ping -c 2 -W 1 -I $address $3 >/dev/null"
		text+="; arping -q -c 1 -w 1 -U -I $2 $address; ip addr del $address/32 dev $2"
	done
	in_guest "$1" "$text; true"
}
heard() { grep "^$1 .* IPv4 $2 to $3 " /tmp/heard; }
claimed() { grep "^$1 .*ARP [12] $2 is " /tmp/heard; }
passes() { expect "passes: $4" heard "$1" "$2" "$3"; }
# counts REGEXP: status does, in the lines of one guest.
counts() { expect "status counts what was dropped: $1" grep -Eq "$1" <(xbr-script status | tr -s ' \n' ' '); }

forge() {
	ip netns exec lan0 probe hear wire >/tmp/heard &
	hearing=$!
	until grep -qx hearing /tmp/heard; do sleep 0.1; done
	in_guest web1 "ping -c 1 -W 1 203.0.113.10" >/dev/null
	in_guest web2 "ping -c 1 -W 1 203.0.113.10" >/dev/null
	sends lvs eth0 192.168.0.1 192.168.5.5 192.168.0.2 192.168.0.1
	sends web1 eth0 203.0.113.10 192.168.1.13
	sends web2 eth0 203.0.113.10 192.168.1.14 192.168.1.11 192.168.1.10
	in_guest web2 "ip link set eth0 down; ip link set eth0 address $webs; ip link set eth0 up; ip route add default via 192.168.1.10;
		ping -c 2 -W 1 192.168.1.11 >/dev/null;
		ip link set eth0 down; ip link set eth0 address $web2; ip link set eth0 up; ip route add default via 192.168.1.10; true"
	kill "$hearing"
	passes $lan 192.168.1.11 203.0.113.10 "web1, for which lvs routes"
	passes $lan 192.168.1.12 203.0.113.10 "web2, for which lvs routes"
	passes $lan 192.168.5.5 192.168.0.1 "lvs as somebody whom nobody knows"
	refute "stopped: lvs says by ARP that it is somebody else" claimed $lan 192.168.5.5
	refute "stopped: lvs says by ARP that it is dom0" claimed $lan 192.168.0.2
	refute "stopped: lvs says by ARP that it is the gateway" claimed $lan 192.168.0.1
	refute "stopped: lvs as dom0" heard $lan 192.168.0.2 192.168.0.1
	refute "stopped: web1 as a stranger" heard $lan 192.168.1.13 203.0.113.10
	passes $lan 192.168.1.14 203.0.113.10 "web2 as a stranger: it has no ip="
	counts "lvs0 lvs $lan 192\.168\.0\.30 router=yes dropped: [^:]*arp [1-9][^:]*ipv4 [1-9]"
	counts "web1 $web1 192\.168\.1\.11 \(by xenstore\) dropped: [^:]*arp [1-9][^:]*ipv4 [1-9]"
	counts "web2 $web2 \(any IP address\) \(by xenstore\) dropped: mac [1-9][^:]*arp [1-9][^:]*ipv4 [1-9]"
	outside
}
forge

before=$(xl domid lvs)
in_guest lvs "reboot -f" >/dev/null 2>&1 &
ended=$!
again() { local now; now=$(xl domid lvs 2>/dev/null) && [ "$now" != "$before" ]; }
expect "lvs reboots, as another domain" wait_for 100 again
kill "$ended" 2>/dev/null || true
rm -f /tmp/tty.lvs
lvs_up
outside

xbr stop
expect "stopped: web1 does not reach the outside" cut_off web1 203.0.113.10
xbr start
outside
for name in lvs web1 web2; do guest_gone $name; done
xbr stop
sysctl -qw net.ipv4.ip_forward=1 # the file's own
expect "the LAN reaches the host" answers 192.168.0.2 lan 0
state_same before
