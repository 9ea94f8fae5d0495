# shellcheck shell=bash
# What holds on to a NIC, of kinds that need modules: named beforehand, and what is said of each is what becomes of it
modprobe -a bonding dummy configfs netconsole
mount -t configfs configfs /sys/kernel/config

# held KIND: eth0 is held by probe. hears KIND FRAME: what lan0 sends comes in by that.
held() {
	if [ -e "/tmp/pid.$1" ]; then kill "$(cat "/tmp/pid.$1")" 2>/dev/null || true; fi # it ends with its session
	probe hold "$1" eth0 >"/tmp/held.$1" &
	echo "$!" >"/tmp/pid.$1"
	wait_for 30 grep -q holding "/tmp/held.$1"
}
hears() {
	local before
	before=$(wc -l <"/tmp/held.$1")
	for _ in 1 2 3; do
		lan 0 probe send wire 52:54:00:12:00:00 "$2"
		sleep 0.1
	done
	[ "$(wc -l <"/tmp/held.$1")" -gt "$before" ]
}
pppoe() { hears pppoe 886411000007000400210000; }
xdp() { hears xdp 88b5; }

# console: sends the kernel's log to lan0. logged: it comes in there.
console() {
	echo eth0 >/sys/kernel/config/netconsole/lan/dev_name
	echo 1 >/sys/kernel/config/netconsole/lan/enabled
}
counter() { lan 0 iptables -nvxL INPUT | awk '/dpt:6666/ { print $1 }'; }
logged() {
	local before
	before=$(counter)
	echo '<1>hello' >/dev/kmsg
	sleep 0.2
	[ "$(counter)" -gt "$before" ]
}

# works: what moves or stays does its work. Tunnels of IPv6 need a moment after the link.
works() {
	expect "$1: the XDP program gives its frames to the socket of AF_XDP" xdp
	expect "$1: WireGuard, by its own table" answers 10.7.0.1
	for n in 1 2 3; do expect "$1: tunnel $n" answers "10.8.$n.1"; done
	expect "$1: SIT" answers fd08::1
	expect "$1: GRE over IPv6" answers 10.8.4.1
	refute "$1: what traffic control drops does not come in" lan 0 ping -n -q -c 1 -W 1 192.168.0.44
	expect "$1: the LAN reaches the host" answers 192.168.0.2 lan 0
}

give 0 192.168.0.2/24 192.168.0.1/24
ip addr add 192.168.0.44/24 dev eth0
ip addr add 2001:db8::2/64 dev eth0
ip -n lan0 addr add 2001:db8::1/64 dev wire
expect "the LAN reaches the host over IPv6" answers 2001:db8::2 lan 0
# tunnel NAME ADDRESS TYPE OPTION...: to lan0, on eth0
tunnel() {
	ip link add "$1" type "${@:3}" local 192.168.0.2 remote 192.168.0.1 dev eth0
	ip -n lan0 link add "$1" type "${@:3}" local 192.168.0.1 remote 192.168.0.2
	up "$1" "$2"
}
# up NAME PREFIX: both ends get an address
up() {
	ip addr add "${2}2/64" dev "$1" 2>/dev/null || ip addr add "${2}2/24" dev "$1"
	ip -n lan0 addr add "${2}1/64" dev "$1" 2>/dev/null || ip -n lan0 addr add "${2}1/24" dev "$1"
	ip link set "$1" up
	ip -n lan0 link set "$1" up
}
tunnel gre1 10.8.1. gre
tunnel ipip1 10.8.2. ipip
tunnel gretap1 10.8.3. gretap key 7
tunnel sit1 fd08:: sit
ip link add ip6gre1 type ip6gre local 2001:db8::2 remote 2001:db8::1 dev eth0
ip -n lan0 link add ip6gre1 type ip6gre local 2001:db8::1 remote 2001:db8::2
up ip6gre1 10.8.4.
# WireGuard's packets have a mark, and only the table for that mark knows the way.
ip -n lan0 addr add 192.168.9.1/32 dev wire
ip rule add fwmark 5 table 77
ip route add 192.168.9.1 via 192.168.0.1 table 77
ip link add wg0 type wireguard
ip -n lan0 link add wg0 type wireguard
umask 077
wg genkey >/tmp/near
wg genkey >/tmp/far
wg set wg0 private-key /tmp/near fwmark 5 peer "$(wg pubkey </tmp/far)" allowed-ips 10.7.0.1/32 endpoint 192.168.9.1:7777
lan 0 wg set wg0 private-key /tmp/far listen-port 7777 peer "$(wg pubkey </tmp/near)" allowed-ips 10.7.0.2/32
up wg0 10.7.0.

tc qdisc add dev eth0 clsact
tc filter add dev eth0 ingress protocol ip u32 match ip dst 192.168.0.44/32 action drop
lan 0 iptables -A INPUT -p udp --dport 6666
mkdir /sys/kernel/config/netconsole/lan
echo 192.168.0.2 >/sys/kernel/config/netconsole/lan/local_ip
echo 192.168.0.1 >/sys/kernel/config/netconsole/lan/remote_ip
lan 0 cat /sys/class/net/wire/address >/sys/kernel/config/netconsole/lan/remote_mac
held xdp

for shape in dom0=veth dom0=bridge; do
	held pppoe
	console
	expect "before: the PPPoE session gets its frames" pppoe
	expect "before: the LAN gets the kernel's log" logged
	works before
	checked 4 "$shape"
	says 'will break PPPoE: session 7 with 52:54:00:12:01:0f: dial anew on'
	says 'will break netconsole: target lan: set it up anew on'
	says 'stays with the NIC XDP: program'
	says 'stays with the NIC AF_XDP: socket on queue 0'
	says 'stays with the NIC traffic control: clsact'
	for tunnel in gre1 ipip1 gretap1 sit1 ip6gre1; do says "moves interface: $tunnel"; done
	refute "of WireGuard nothing is said" grep wg0 /tmp/checked

	xbr start "$shape"
	expect "what breaks was said" grep -q 'will break: PPPoE' /tmp/said
	refute "the PPPoE session has broken" pppoe
	refute "netconsole has broken" logged
	works "after start"
	held pppoe
	console
	expect "dialled anew, the PPPoE session works" pppoe
	expect "set up anew, netconsole works" logged

	checked 4 stop
	says 'will break PPPoE: session 7'
	says 'will break netconsole: target lan'
	refute "what is on the NIC stays there" grep XDP /tmp/checked
	xbr stop
	refute "the PPPoE session has broken" pppoe
	refute "netconsole has broken" logged
	works "after stop"
done
