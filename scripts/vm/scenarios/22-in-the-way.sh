# shellcheck shell=bash
# What is in the way of start, of kinds that need modules: all refused at once, each with a way out that leads there
modprobe dummy numdummies=0
names=(mv0 iv0 ms0) # on eth0 and so on; that of eth3, HSR, Debian 12 does not have
if modprobe -q hsr; then names+=(hsr0); fi
# has NAME: it is one of them.
has() { [[ " ${names[*]} " == *" $1 "* ]]; }

# refuses NIC NAME HINT: check gives the reason, and the way out in the next line.
refuses() {
	grep -A1 "^refused .*$1.*$2" /tmp/checked >/tmp/reason || fail "check does not say that $2 is in the way of $1"
	expect "$2 is in the way of $1, and the hint is: $3" grep -q "^ hint .*$3" /tmp/reason
}

# over INTERFACE ADDRESS: what is sent by it gets answers.
over() { wait_for 30 ping -n -q -c 1 -W 1 -I "$1" "$2"; }
# secure MACSEC PEER SEND RECEIVE [COMMAND...]: has it use these keys.
secure() {
	local in=("${@:5}") key=000102030405060708090a0b0c0d0e
	"${in[@]}" ip macsec add "$1" tx sa 0 pn 1 on key "0$3" "${key}0$3"
	"${in[@]}" ip macsec add "$1" rx port 1 address "$2"
	"${in[@]}" ip macsec add "$1" rx port 1 address "$2" sa 0 pn 1 on key "0$4" "${key}0$4"
}

# make: all of them, on the interfaces that dom0 has. gone: none any more.
make() {
	ip link add link eth0 name mv0 type macvlan
	ip link add link eth1 name iv0 type ipvlan mode l2
	ip link add link eth2 name ms0 type macsec encrypt on
	secure ms0 "$far" 1 2
	! has hsr0 || ip link add hsr0 type hsr slave1 eth3 slave2 d3
	n=0
	for name in "${names[@]}"; do
		ip addr add "10.9.$n.2/24" dev "$name"
		ip link set "$name" up
		n=$((n + 1))
	done
}
work() {
	n=0
	for name in "${names[@]}"; do
		expect "$1: $name works" over "$name" "10.9.$n.1"
		n=$((n + 1))
	done
}
gone() {
	for name in mv0 iv0 ms0; do refute "$name has gone" ip link show "$name"; done
	has hsr0 || return 0
	refute "hsr0, with one port, reaches nobody" ping -n -q -c 1 -W 1 -I hsr0 10.9.3.1
	ip link del hsr0
}

for n in 0 1 2 3; do give "$n" "192.168.$n.2/24" "192.168.$n.1/24"; done
ip -n lan0 addr add 10.9.0.1/24 dev wire
ip -n lan1 addr add 10.9.1.1/24 dev wire
near=$(cat /sys/class/net/eth2/address)
far=$(lan 2 cat /sys/class/net/wire/address)
ip -n lan2 link add link wire name ms0 type macsec encrypt on
secure ms0 "$near" 2 1 ip netns exec lan2
ip -n lan2 addr add 10.9.2.1/24 dev ms0
ip -n lan2 link set ms0 up
ip link add d3 up type dummy
ip -n lan3 link add d3 up type dummy
if has hsr0; then
	ip -n lan3 link add hsr0 type hsr slave1 wire slave2 d3
	ip -n lan3 addr add 10.9.3.1/24 dev hsr0
	ip -n lan3 link set hsr0 up
fi
make
ip link add link eth0 name mt0 type macvtap
ip link add xf0 type xfrm dev eth1 if_id 9

# In other network namespaces, as containers are: one that is mounted, one that a process has.
ip netns add box
unshare --net sleep 10000 &
pid=$!
wait_for 30 grep -q sleep "/proc/$pid/comm"
ip link add link eth0 name mv1 netns box type macvlan
ip link add link eth0 name mv2 netns "$pid" type macvlan
ip link add link eth1 name iv1 netns box type ipvlan mode l2
ip link add link eth2 name ms1 netns box type macsec port 11 encrypt on
ip link add gre1 type gre local 192.168.3.2 remote 192.168.3.1 dev eth3
ip link set gre1 netns box
# Two VLANs there: one with a MAC address of its own, one with the NIC's.
for n in 5 6; do
	ip link add link eth0 name "v$n" netns box type vlan id "$n"
	[ "$n" = 6 ] || ip -n box link set "v$n" address 02:00:00:00:00:05
	ip -n lan0 link add link wire name "v$n" type vlan id "$n"
	ip -n box addr add "10.9.$n.2/24" dev "v$n"
	ip -n lan0 addr add "10.9.$n.1/24" dev "v$n"
	ip -n box link set "v$n" up
	ip -n lan0 link set "v$n" up
done

# And what has the NIC as a port.
ip link add vrf0 type vrf table 9
ip link add bat0 type batadv
ip link add team0 type team
n=4
for master in vrf0 bat0 team0; do
	ip link add "d$n" type dummy
	[ "$master" = team0 ] || ip link set "d$n" up
	ip link set "d$n" master "$master"
	n=$((n + 1))
done
ip link add d7 type dummy

# A station of Wi-Fi, which the kernel makes no port.
if modprobe -q mac80211_hwsim radios=1; then
	wait_for 30 test -e /sys/class/net/wlan0/phy80211
	ip link add wbr type bridge
	refute "the kernel makes a station no port" ip link set wlan0 master wbr
	ip link del wbr
	checked 1 netdev=wlan0
	refuses wlan0 'its access point takes frames' 'name another NIC with netdev='
	rmmod mac80211_hwsim
fi

modprobe openvswitch
probe attach dp0 d7
work before

all='netdev=eth0'
for nic in eth1 eth2 eth3 d4 d5 d6 d7; do all+=" --next netdev=$nic"; done
state_save before
# shellcheck disable=SC2086 # several words
checked 1 $all
removed='name another NIC with netdev=; or, from the console, remove it'
refuses eth0 mv0 "$removed first, or give its users a port in the bridge"
refuses eth0 mt0 'remove it first, or give its users a port in the bridge'
refuses eth1 iv0 "$removed first, or give its users a port in the bridge"
refuses eth2 ms0 "$removed, start, and make it again on the new eth2"
! has hsr0 || refuses eth3 hsr0 "$removed, start, and make it again on the new eth3"
refuses eth1 xf0 "remove it, start, and make it again on the new eth1"
elsewhere='name another NIC with netdev=; or'
refuses eth0 'mv1 (macvlan) in the network namespace box' "$elsewhere end what uses it, and give it a port in the bridge"
refuses eth0 "mv2 (macvlan) in the network namespace of sleep (pid $pid)" "$elsewhere end what uses it"
refuses eth1 'iv1 (ipvlan) in the network namespace box' "$elsewhere end what uses it"
refuses eth2 'ms1 (macsec) in the network namespace box' "$elsewhere remove it, start, and make it again on the new eth2"
refuses eth3 'gre1 (gre) in the network namespace box' "$elsewhere remove it"
refuses d4 vrf0 'name another NIC with netdev='
refuses d5 bat0 'give netdev=bat0'
refuses d6 team0 'give netdev=team0'
refuses d7 dp0 'guests can use a bridge of Open vSwitch'
says 'in the way interface: mv0 (macvlan)'
! has hsr0 || says 'in the way interface: hsr0 (hsr)'
says 'in the way interface: mv1 (macvlan) in the network namespace box'
# shellcheck disable=SC2086
xbr-script check --json $all >/tmp/json 2>&1 </dev/null || true
expect "with --json there are as many reasons" [ "$(grep -o '"reason"' /tmp/json | wc -l)" = "$(grep -c '^refused' /tmp/checked)" ]
# shellcheck disable=SC2086
refute "start refuses it" xbr-script start $all
state_same before
work "after that"

for name in "${names[@]}" mt0 xf0; do ip link del "$name"; done
for name in mv1 iv1 ms1 gre1; do ip -n box link del "$name"; done
kill "$pid" # and its interface goes with it
four='netdev=eth0 --next netdev=eth1 --next netdev=eth2 --next netdev=eth3'
gone_there() { ! { xbr-script check netdev=eth0 | grep mv2; }; }
wait_for 60 gone_there
# boxed MAC: the VLANs in the namespace work, and the one without an address of its own has this one.
boxed() {
	for n in 5 6; do expect "the VLAN v$n in the namespace works" answers "10.9.$n.1" ip netns exec box; done
	expect "v5 has its own MAC address" grep -q 02:00:00:00:00:05 <(ip -n box link show v5)
	expect "v6 has the MAC address $1" grep -q "$1" <(ip -n box link show v6)
}
boxed 52:54:00:12:00:00
# shellcheck disable=SC2086
checked 4 $four
says 'stays with the NIC interface: v5 (vlan) in the network namespace box: it takes its frames before'
says 'will break interface: v6 (vlan) in the network namespace box: it gets another MAC address, unless .*: ip link set dev v6 address 52:54:00:12:00:00, there'
# shellcheck disable=SC2086
xbr start $four
for n in 0 1 2 3; do expect "lan$n reaches the host" answers "192.168.$n.2" lan "$n"; done
boxed fe:ff:ff:ff:ff:ff
make
work "made again"
ip link add link eth0 name mv1 netns box type macvlan

checked 4 stop
! has hsr0 || says 'will break interface: hsr0 (hsr): make it anew on eth3'
for name in 'mv0 (macvlan): make it anew on eth0' 'iv0 (ipvlan): make it anew on eth1' 'ms0 (macsec): make it anew on eth2' \
	'mv1 (macvlan) in the network namespace box: make it anew on eth0'; do
	says "will break interface: $name"
done
xbr stop
gone
refute "mv1 has gone" ip -n box link show mv1
boxed 52:54:00:12:00:00
ip -n box link set v6 address 52:54:00:12:00:00
make
work "made again after stop"
for name in "${names[@]}"; do ip link del "$name"; done
xbr start netdev=eth0
boxed 52:54:00:12:00:00
