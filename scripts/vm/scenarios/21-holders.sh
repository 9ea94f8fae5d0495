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
	for name in "${!over[@]}"; do expect "$1: the tunnel $name" answers "${over[$name]}1"; done
	refute "$1: what traffic control drops does not come in" lan 0 ping -n -q -c 1 -W 1 192.168.0.44
	expect "$1: the LAN reaches the host" answers 192.168.0.2 lan 0
}

give 0 192.168.0.2/24 192.168.0.1/24
for n in 3 44; do ip addr add "192.168.0.$n/24" dev eth0; done
ip -n lan0 addr add 192.168.0.4/24 dev wire
for n in 2 3; do ip addr add "2001:db8::$n/64" dev eth0; done
for n in 1 4; do ip -n lan0 addr add "2001:db8::$n/64" dev wire; done
expect "the LAN reaches the host over IPv6" answers 2001:db8::2 lan 0
# tunnel NAME PREFIX TYPE OPTION...: to lan0, on eth0
declare -A over
tunnel() {
	local near=192.168.0.2 far=192.168.0.1
	case $3 in
	vti) near=192.168.0.3 far=192.168.0.4 ;; # else it takes the packets of IPIP
	vti6) near=2001:db8::3 far=2001:db8::4 ;;
	*6*) near=2001:db8::2 far=2001:db8::1 ;;
	esac
	ip link add "$1" type "${@:3}" local "$near" remote "$far" dev eth0
	ip -n lan0 link add "$1" type "${@:3}" local "$far" remote "$near"
	over[$1]=$2
	up "$1" "$2"
}
# up NAME PREFIX: both ends get an address
up() {
	local length=24
	case $2 in *:) length=64 ;; esac
	ip addr add "${2}2/$length" dev "$1"
	ip -n lan0 addr add "${2}1/$length" dev "$1"
	ip link set "$1" up
	ip -n lan0 link set "$1" up
}
# secured NEAR FAR ALL MARK: what has that mark is encrypted between them
secured() {
	local keys=(enc 'ecb(cipher_null)' '' auth 'hmac(sha256)' 0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f)
	local near=$1 far=$2 end
	for end in '' '-n lan0'; do
		# shellcheck disable=SC2086 # several words, or none
		{
			ip $end xfrm state add src "$near" dst "$far" proto esp spi "0x10$4" mode tunnel mark "$4" "${keys[@]}"
			ip $end xfrm state add src "$far" dst "$near" proto esp spi "0x10$4" mode tunnel mark "$4" "${keys[@]}"
			ip $end xfrm policy add src "$3" dst "$3" dir out mark "$4" tmpl src "$near" dst "$far" proto esp mode tunnel
			ip $end xfrm policy add src "$3" dst "$3" dir in mark "$4" tmpl src "$far" dst "$near" proto esp mode tunnel
		}
		near=$2 far=$1
	done
}
tunnel gre1 10.8.1. gre
tunnel ipip1 10.8.2. ipip
tunnel gretap1 10.8.3. gretap key 7
tunnel erspan1 10.8.4. erspan seq key 8 erspan_ver 1 erspan 5
tunnel sit1 fd08:5:: sit
tunnel ip6gre1 10.8.6. ip6gre
tunnel ip6gretap1 10.8.7. ip6gretap key 7
tunnel ip6erspan1 10.8.8. ip6erspan seq key 8 erspan_ver 1 erspan 5
tunnel ip6tnl1 10.8.9. ip6tnl mode any
secured 192.168.0.3 192.168.0.4 0.0.0.0/0 10
tunnel vti1 10.8.10. vti key 10
secured 2001:db8::3 2001:db8::4 ::/0 11
tunnel vti61 fd08:11:: vti6 key 11
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

# no_console: this kernel cannot send its log by dom0's port.
no_console() { [ "$shape" = dom0=veth ] && [ "$(printf '%s\n' 6.12 "$(uname -r)" | sort -V | head -n 1)" = 6.12 ]; }

for shape in dom0=veth dom0=bridge; do
	held pppoe
	console
	expect "before: the PPPoE session gets its frames" pppoe
	expect "before: the LAN gets the kernel's log" logged
	works before
	checked 4 "$shape"
	says 'will break PPPoE: session 7 with 52:54:00:12:01:0f: dial anew on'
	if no_console; then
		says 'will break netconsole: target lan: this kernel has none by a port of .*: give dom0=bridge'
	else
		says "will break netconsole: target lan: set it up anew on eth0"
	fi
	says 'stays with the NIC XDP: program'
	says 'stays with the NIC AF_XDP: socket on queue 0'
	says 'stays with the NIC traffic control: clsact'
	for name in "${!over[@]}"; do says "moves interface: $name .*: it sends by dom0's eth0"; done
	refute "of WireGuard nothing is said" grep wg0 /tmp/checked

	xbr start "$shape"
	expect "what breaks was said" grep -q 'will break: PPPoE' /tmp/said
	refute "the PPPoE session has broken" pppoe
	refute "netconsole has broken" logged
	works "after start"
	held pppoe
	expect "dialled anew, the PPPoE session works" pppoe
	if no_console; then
		refute "netconsole cannot be set up anew" console 2>/dev/null
	else
		console
		expect "set up anew, netconsole works" logged
	fi

	checked 4 stop
	says 'will break PPPoE: session 7'
	no_console || says 'will break netconsole: target lan: set it up anew on eth0'
	refute "what is on the NIC stays there" grep XDP /tmp/checked
	xbr stop
	refute "the PPPoE session has broken" pppoe
	refute "netconsole has broken" logged
	works "after stop"
done
