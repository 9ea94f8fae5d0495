package bridge_test

import (
	"time"

	"xbr-script/bridge"
	"xbr-script/internal/testing/nstest"
)

// quick saves the second that the kernel takes to check that an IPv6 address is
// unique; on a host that has been up for a while that is over.
const quick = `sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.router_solicitations=0
`

// careful switches these checks on for later addresses.
const careful = `for f in /proc/sys/net/ipv6/conf/*/accept_dad; do echo 1 >$f; done
`

// cable makes a NIC and the neighbour that it is plugged into.
func cable(nic, neighbour, mac string) string {
	return `ip link add ` + nic + ` address ` + mac + ` type veth peer name ` + neighbour + ` address 02` + mac[2:] + `
sysctl -qw net/ipv6/conf/` + neighbour + `/disable_ipv6=1
ip link set ` + neighbour + ` up
ip link set ` + nic + ` up
`
}

var seed000 = network{name: "seed 000", script: quick + cable("eth0", "lan0", "00:16:3e:00:00:01") + `
ip addr add 192.168.0.20/24 brd + dev eth0
ip route add default via 192.168.0.1
ip link add dummy0 address 00:16:3e:00:00:09 type ifb
ip link set dummy0 up
` + careful, specs: []bridge.Spec{specOf(0, "eth0"), specOf(1, "dummy0")}}

var seed002 = network{name: "seed 002", script: quick +
	cable("eth0", "lan0", "00:16:3e:00:00:01") + cable("eth1", "lan1", "00:16:3e:00:00:02") + cable("eth2", "lan2", "00:16:3e:00:00:03") + `
ip addr add 10.23.1.7/24 brd + dev eth0
ip route add default via 10.23.1.254
` + careful, specs: []bridge.Spec{specOf(0, "eth0"), specOf(1, "eth1"), specOf(2, "eth2")}}

// rich has some of everything that a NIC can carry, and a second NIC with
// routes to the same places.
var rich = network{name: "rich", script: quick + cable("eth0", "lan0", "00:16:3e:00:00:01") + cable("eth1", "lan1", "00:16:3e:00:00:02") + `
ip link set eth0 txqueuelen 500 mtu 1492 alias 'uplink, rack 3' group 7
ip link property add dev eth0 altname enp3s0 altname uplink
sysctl -qw net/ipv4/conf/eth0/arp_ignore=1 net/ipv4/conf/eth0/rp_filter=2 net/ipv4/neigh/eth0/gc_stale_time=77
sysctl -qw net/ipv6/conf/eth0/accept_ra=2 net/ipv6/conf/eth0/hop_limit=63 net/ipv6/neigh/eth0/retrans_time_ms=900

ip addr add 10.0.0.2/24 brd + dev eth0
ip addr add 10.0.0.3/24 dev eth0 label eth0:web
ip addr add 10.5.0.2/24 dev eth0 label eth0:db scope link
ip addr add 10.1.0.2/24 brd + dev eth0 metric 77
ip addr add 10.2.0.2/24 dev eth0 noprefixroute
ip addr add 10.3.0.2/24 dev eth0 valid_lft 3000 preferred_lft 2000
ip addr add 10.4.0.2 peer 10.4.0.9/32 dev eth0
ip addr add 10.0.0.12/24 dev eth1
ip addr add 10.6.0.2/24 dev eth1
ip addr add 2001:db8::2/64 dev eth0
ip addr add 2001:db8::3/64 dev eth0 valid_lft 2000 preferred_lft 1000
ip addr add 2001:db8::4/64 dev eth0 valid_lft 2000 preferred_lft 0
ip addr add 2001:db8:1::2/64 dev eth0 noprefixroute
ip addr add 2001:db8:2::2/64 dev eth0 metric 300
ip addr add 2001:db8::12/64 dev eth1

ip route add default via 10.0.0.1 src 10.0.0.3
ip route add default via 10.6.0.1 metric 50
ip route add 10.10.0.0/16 via 10.1.0.1 proto static mtu lock 1400 advmss 1300
ip route add 10.11.0.0/16 dev eth0 scope link src 10.5.0.2
ip route append 10.11.0.0/16 dev eth1 scope link
ip route add 10.12.0.0/16 nexthop via 10.0.0.8 weight 2 nexthop via 10.6.0.8 weight 5
ip route add 10.13.0.0/16 nexthop via 10.0.0.8 nexthop via 10.1.0.8
ip route add 10.14.0.0/16 dev eth1
ip route append 10.14.0.0/16 dev eth0
ip route append 10.14.0.0/16 via 10.1.0.7
ip route add 10.15.0.0/16 via 172.16.0.1 dev eth0 onlink
ip route add 10.16.0.0/16 via 10.6.0.1 src 10.1.0.2
ip route add blackhole 10.17.0.0/16
ip route add default via 10.0.0.6 table 100
ip route add 10.18.0.0/16 dev eth0 tos 0x10 table 2000
ip route add 192.0.2.1 dev eth0 table local
ip -6 route add default via fe80::1 dev eth0 metric 1024
ip -6 route add default via fe80::1 dev eth1 metric 2048
ip -6 route add 2001:db8:10::/48 via 2001:db8::1 expires 900 pref high
ip -6 route add 2001:db8:11::/48 nexthop via fe80::8 dev eth0 weight 2 nexthop via fe80::8 dev eth1
ip -6 route add 2001:db8:12::/48 dev eth0 metric 5
ip -6 route append 2001:db8:12::/48 dev eth1 metric 5
ip -6 route add 2001:db8:13::/48 via 2001:db8::13 dev eth1 src 2001:db8::2
ip -6 route add default via fe80::2 dev eth0 proto ra table 100
ip route add 10.50.0.0/24 dev eth0
ip route add 10.51.0.0/16 via 10.50.0.1
ip route add 10.52.0.0/16 nexthop via 10.50.0.2 nexthop via 10.6.0.8
ip route del 10.50.0.0/24 dev eth0
ip -6 route add 2001:db8:50::/64 dev eth0
ip -6 route add 2001:db8:51::/48 via 2001:db8:50::1
ip -6 route del 2001:db8:50::/64 dev eth0

ip nexthop add id 5 via 10.0.0.5 dev eth0
ip nexthop add id 6 via 10.6.0.5 dev eth1
ip nexthop add id 7 group 5,2/6
ip nexthop add id 8 via fe80::5 dev eth0
ip route add 10.20.0.0/16 nhid 5
ip route add 10.21.0.0/16 nhid 7
ip -6 route add 2001:db8:20::/48 nhid 8

ip rule add iif eth0 lookup 100
ip -6 rule add oif eth0 lookup 100
ip neigh add 10.0.0.1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent
ip neigh add 10.0.0.5 lladdr 02:00:00:00:00:05 dev eth0 nud stale
ip neigh add fe80::1 lladdr 02:00:00:00:00:01 dev eth0 router nud stale
ip neigh add proxy 10.0.0.77 dev eth0
ip neigh add proxy 2001:db8::77 dev eth0
` + careful, specs: []bridge.Spec{specOf(0, "eth0")}}

// announced has everything that two routers can announce, and beside it what
// looks like that but is not: a user's routes through the same routers, routes
// of a program that handles advertisements itself, and an address and its route
// in an announced prefix. The permanent neighbour is there because others come and
// go: the kernel forgets them when all namespaces together have over 512
// (gc_thresh2), and a plan without neighbours has a step less.
var announced = network{name: "announced", script: quick + cable("eth0", "lan0", "00:16:3e:00:00:01") + cable("eth1", "lan1", "00:16:3e:00:00:02") + `
sysctl -qw net/ipv6/conf/eth0/accept_ra_rt_info_max_plen=64
ip addr add 192.0.2.2/24 brd + dev eth0
ip addr add 2001:db8:1::2/64 dev eth0
ip -6 route add default via fe80::7 dev eth0 proto ra metric 100 expires 900
ip -6 route add default via fe80::1 dev eth0 proto ra table 100
ip -6 route add default via fe80::1 dev eth0 metric 2000
ip -6 route add 2001:db8:77::/48 via fe80::1 dev eth0
ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent
` + careful, specs: []bridge.Spec{specOf(0, "eth0")}, adverts: []nstest.Advert{
	{
		Router: "fe80::1", Lifetime: 1800 * time.Second, HopLimit: 63, MTU: 1480,
		Prefixes: []nstest.AdvertPrefix{
			{Prefix: "2001:db8:1::/64", Valid: 3600 * time.Second, Preferred: 1800 * time.Second},
			{Prefix: "2001:db8:2::/64", Valid: nstest.Forever, Preferred: nstest.Forever},
			{Prefix: "2001:db8:3::/64", Valid: 3600 * time.Second, Preferred: 1800 * time.Second, NoAuto: true},
		},
		Information: []nstest.AdvertRoute{
			{Prefix: "2001:db8:8000::/48", Lifetime: 1800 * time.Second, Preference: 1},
			{Prefix: "2001:db8:9000::/48", Lifetime: nstest.Forever, Preference: 3},
		},
	},
	{Router: "fe80::2", Lifetime: 900 * time.Second, Preference: 3, Reachable: 20 * time.Second, Retransmit: 700 * time.Millisecond},
}}

// settled has guests, and an admin who has set one of each setting on their
// ports, on dom0's and on the bridge; and more still. Spanning tree comes last:
// another priority changes the topology, and then the kernel ages entries early
// and tells no other time.
var settled = network{name: "settled", script: quick + cable("eth0", "lan0", "00:16:3e:00:00:01") + cable("eth9", "lan9", "00:16:3e:00:00:09") + `
ip addr add 192.168.0.20/24 brd + dev eth0
ip route add default via 192.168.0.1
` + careful, specs: []bridge.Spec{specOf(0, "eth0")}, guests: `
ip link add vif1.0 address 00:16:3e:00:01:00 type veth peer name g1 address 00:16:3e:00:01:01
ip link add vif2.0 address 00:16:3e:00:02:00 mtu 1300 type veth peer name g2 address 00:16:3e:00:02:01
ip link add vif3.0 address 00:16:3e:00:03:00 type veth peer name g3 address 00:16:3e:00:03:01
for i in 1 2 3; do ip link set g$i addrgenmode none up; ip link set vif$i.0 addrgenmode none up; done
ip tuntap add vif4.0-emu mode tap; ip link set vif4.0-emu address 00:16:3e:00:04:00
for i in vif1.0 vif2.0 vif3.0 vif4.0-emu; do ip link set $i master $br; done
ip link set $br type bridge ageing_time 12300 group_fwd_mask 8 mcast_snooping 1 mcast_querier 1 mcast_igmp_version 3 hello_time 300
` + portSettings + `
ip link set vif2.0 type bridge_slave backup_port vif1.0 state 4
bridge fdb add 02:00:00:00:77:01 dev vif1.0 master static
bridge fdb add 02:00:00:00:77:02 dev vif2.0 master static sticky
bridge fdb add 02:00:00:00:77:03 dev vif2.0 master extern_learn
bridge fdb add 02:00:00:00:77:04 dev peth0 master static
bridge fdb add 02:00:00:00:77:05 dev $br self local
bridge mdb add dev $br port vif1.0 grp 239.1.1.1 permanent
bridge mdb add dev $br port vif1.0 grp 239.1.1.2 src 10.0.0.1 permanent
bridge mdb add dev $br port peth0 grp ff05::1 permanent
bridge mdb add dev $br port $br grp 01:02:03:04:05:06 permanent
ip link set peth0 type bridge_slave priority 7 mcast_router 2
if [ -e /sys/class/net/vif0.0 ]; then ip link set vif0.0 type bridge_slave isolated on; fi
` + portVLANs, more: `
ip link set eth9 master $br
ip link set eth9 type bridge_slave isolated on
ip link set peth0 promisc on allmulticast on arp on
if [ -e /sys/class/net/vif0.0 ]; then ip link set vif0.0 arp on alias port group 5; ip link set $br mtu 1400 alias 'a bridge' group 9 promisc on; fi
ip link set $br type bridge priority 8192
ip link set $br type bridge stp_state 1
`}

// portSettings are settings of ports.
const portSettings = `
ip link set vif1.0 type bridge_slave isolated on hairpin on learning off guard on cost 77 priority 9 root_block on
ip link set vif1.0 type bridge_slave flood off mcast_flood off bcast_flood off mcast_to_unicast on mcast_router 2 group_fwd_mask 8
ip link set vif2.0 type bridge_slave mcast_fast_leave on neigh_suppress on proxy_arp on proxy_arp_wifi on locked on
`

// portVLANs are VLANs, for kernels that have them in bridges.
const portVLANs = `
has_vlans() { [ -e /sys/class/net/$br/bridge/vlan_filtering ]; }; if has_vlans; then ip link set $br type bridge vlan_filtering 1 vlan_stats_enabled 1; bridge vlan del dev vif1.0 vid 1; bridge vlan add dev vif1.0 vid 200 pvid untagged; bridge vlan add dev vif1.0 vid 10-20; bridge vlan add dev $br vid 30 self; bridge vlan add dev peth0 vid 30; bridge vlan del dev vif3.0 vid 1; fi
`
