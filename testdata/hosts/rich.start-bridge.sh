# $ xbr-script start vifnum=0 netdev=eth0 dom0=bridge
# In short: all of this, or nothing.
#   NIC        eth0 becomes peth0, a port of the bridge eth0
#   dom0       eth0, the bridge itself, gets 13 addresses and 30 routes
#   asked      10.0.0.6, 10.0.0.1, 10.1.0.1, 10.0.0.8 and 12 more: if some
#              answer before, and none of these afterwards, all is put back
#   link       stays on all the while
#
# create the bridge beth0 for dom0
ip link add name beth0 index 6 address 00:16:3e:00:00:01 mtu 1493 txqueuelen 500 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
ip link set dev beth0 mtu 1492 alias 'uplink, rack 3' group 7 arp on multicast on allmulticast off promisc off addrgenmode none
sysctl -qw /net/ipv4/conf/beth0/arp_ignore=1
sysctl -qw /net/ipv4/conf/beth0/rp_filter=2
sysctl -qw /net/ipv4/neigh/beth0/anycast_delay=100
sysctl -qw /net/ipv4/neigh/beth0/app_solicit=0
sysctl -qw /net/ipv4/neigh/beth0/base_reachable_time_ms=30000
sysctl -qw /net/ipv4/neigh/beth0/delay_first_probe_time=5
sysctl -qw /net/ipv4/neigh/beth0/gc_stale_time=77
sysctl -qw /net/ipv4/neigh/beth0/interval_probe_time_ms=5000
sysctl -qw /net/ipv4/neigh/beth0/locktime=100
sysctl -qw /net/ipv4/neigh/beth0/mcast_resolicit=0
sysctl -qw /net/ipv4/neigh/beth0/mcast_solicit=3
sysctl -qw /net/ipv4/neigh/beth0/proxy_delay=80
sysctl -qw /net/ipv4/neigh/beth0/proxy_qlen=64
sysctl -qw /net/ipv4/neigh/beth0/retrans_time_ms=1000
sysctl -qw /net/ipv4/neigh/beth0/ucast_solicit=3
sysctl -qw /net/ipv4/neigh/beth0/unres_qlen_bytes=212992
sysctl -qw /net/ipv6/conf/beth0/accept_ra=2
sysctl -qw /net/ipv6/conf/beth0/hop_limit=63
sysctl -qw /net/ipv6/neigh/beth0/anycast_delay=100
sysctl -qw /net/ipv6/neigh/beth0/app_solicit=0
sysctl -qw /net/ipv6/neigh/beth0/base_reachable_time_ms=30000
sysctl -qw /net/ipv6/neigh/beth0/delay_first_probe_time=5
sysctl -qw /net/ipv6/neigh/beth0/gc_stale_time=60
sysctl -qw /net/ipv6/neigh/beth0/interval_probe_time_ms=5000
sysctl -qw /net/ipv6/neigh/beth0/locktime=0
sysctl -qw /net/ipv6/neigh/beth0/mcast_resolicit=0
sysctl -qw /net/ipv6/neigh/beth0/mcast_solicit=3
sysctl -qw /net/ipv6/neigh/beth0/proxy_delay=80
sysctl -qw /net/ipv6/neigh/beth0/proxy_qlen=64
sysctl -qw /net/ipv6/neigh/beth0/retrans_time_ms=900
sysctl -qw /net/ipv6/neigh/beth0/ucast_solicit=3
sysctl -qw /net/ipv6/neigh/beth0/unres_qlen_bytes=212992
ip link set dev beth0 addrgenmode none
ip link set dev beth0 up
# rename eth0 to peth0
ip link set dev eth0 name peth0
# rename beth0 to eth0
ip link set dev beth0 name eth0
# move the alternative names of peth0
ip link property del dev peth0 altname enp3s0
ip link property add dev eth0 altname enp3s0
ip link property del dev peth0 altname uplink
ip link property add dev eth0 altname uplink
# give eth0 the addresses
ip addr add 10.5.0.2/24 dev eth0 label eth0:db scope link
ip addr add 10.0.0.2/24 broadcast 10.0.0.255 dev eth0
ip addr add 10.1.0.2/24 broadcast 10.1.0.255 dev eth0 metric 77
ip addr add 10.2.0.2/24 dev eth0 noprefixroute
ip addr add 10.3.0.2/24 dev eth0 valid_lft 2999 preferred_lft 1999
ip addr add 10.4.0.2 peer 10.4.0.9/32 dev eth0
ip addr add 10.0.0.3/24 dev eth0 label eth0:web
ip addr add fe80::216:3eff:fe00:1/64 dev eth0 noprefixroute nodad
ip addr add 2001:db8::2/64 dev eth0 noprefixroute nodad
ip addr add 2001:db8::3/64 dev eth0 valid_lft 1999 preferred_lft 999 noprefixroute nodad
ip addr add 2001:db8::4/64 dev eth0 valid_lft 1999 preferred_lft 0 noprefixroute nodad
ip addr add 2001:db8:1::2/64 dev eth0 noprefixroute nodad
ip addr add 2001:db8:2::2/64 dev eth0 metric 300 noprefixroute nodad
# let peth0 make no more IPv6 addresses
ip link set dev peth0 addrgenmode none
# make peth0 a port of eth0
ip link set dev peth0 master eth0
# wait for eth0 to have a carrier
for i in $(seq 100); do ip link show dev eth0 | grep -q 'LOWER_UP.* state UP' && break; sleep 0.1; done
# give eth0 the neighbours
ip neigh replace 10.0.0.1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent
ip neigh replace 10.0.0.5 lladdr 02:00:00:00:00:05 dev eth0 nud stale
ip neigh replace fe80::1 lladdr 02:00:00:00:00:01 dev eth0 nud stale router
ip neigh replace proxy 10.0.0.77 dev eth0
ip neigh replace proxy 2001:db8::77 dev eth0
# switch the routes from peth0 to eth0
ip route replace 10.18.0.0/16 dev eth0 table 2000 tos 0x10
ip route del 10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.2
ip route replace 10.0.0.0/24 dev eth0 proto kernel src 10.0.0.2
ip route del 10.1.0.0/24 dev eth0 proto kernel scope link src 10.1.0.2 metric 77
ip route replace 10.1.0.0/24 dev eth0 proto kernel src 10.1.0.2 metric 77
ip route del 10.3.0.0/24 dev eth0 proto kernel scope link src 10.3.0.2
ip route replace 10.3.0.0/24 dev eth0 proto kernel src 10.3.0.2
ip route del 10.4.0.9/32 dev eth0 proto kernel scope link src 10.4.0.2
ip route replace 10.4.0.9/32 dev eth0 proto kernel src 10.4.0.2
ip route del 10.5.0.0/24 dev eth0 proto kernel scope link src 10.5.0.2
ip route replace 10.5.0.0/24 dev eth0 proto kernel src 10.5.0.2
ip route replace 10.11.0.0/16 dev eth0 src 10.5.0.2
ip route del broadcast 10.0.0.255/32 dev eth0 table local proto kernel src 10.0.0.2
ip route replace broadcast 10.0.0.255/32 dev eth0 table local proto kernel src 10.0.0.2
ip route replace 192.0.2.1/32 dev eth0 table local
ip addr replace fe80::216:3eff:fe00:1/64 dev eth0
ip addr replace 2001:db8::2/64 dev eth0
ip addr replace 2001:db8::3/64 dev eth0 valid_lft 1999 preferred_lft 999
ip addr replace 2001:db8::4/64 dev eth0 valid_lft 1999 preferred_lft 0
ip addr replace 2001:db8:1::2/64 dev eth0 noprefixroute
ip addr replace 2001:db8:2::2/64 dev eth0 metric 300
ip -6 route del 2001:db8::/64 dev peth0 proto kernel metric 256
ip -6 route del 2001:db8:2::/64 dev peth0 proto kernel metric 300
ip -6 route prepend 2001:db8:12::/48 dev eth0 metric 5
ip -6 route del 2001:db8:12::/48 dev peth0 proto boot metric 5
ip -6 route del fe80::/64 dev peth0 proto kernel metric 256
ip route append 10.50.0.1/32 dev eth0 proto static
ip route append 10.50.0.2/32 dev eth0 proto static
ip -6 route append 2001:db8:50::1/128 dev eth0 proto static
ip nexthop replace id 5 via 10.0.0.5 dev eth0
ip -6 nexthop replace id 8 via fe80::5 dev eth0
ip route replace default via 10.0.0.6 dev eth0 table 100
ip route replace default via 10.0.0.1 dev eth0 src 10.0.0.3
ip route replace 10.10.0.0/16 via 10.1.0.1 dev eth0 proto static mtu lock 1400 advmss 1300
ip route replace 10.12.0.0/16 nexthop via 10.0.0.8 dev eth0 weight 2 nexthop via 10.6.0.8 dev eth1 weight 5
ip route replace 10.13.0.0/16 nexthop via 10.0.0.8 dev eth0 weight 1 nexthop via 10.1.0.8 dev eth0 weight 1
ip route del 10.14.0.0/16 dev peth0 proto boot scope link
ip route append 10.14.0.0/16 dev eth0
ip route del 10.14.0.0/16 via 10.1.0.7 dev peth0 proto boot
ip route append 10.14.0.0/16 via 10.1.0.7 dev eth0
ip route replace 10.15.0.0/16 via 172.16.0.1 dev eth0 onlink
ip route replace 10.51.0.0/16 via 10.50.0.1 dev eth0
ip route replace 10.52.0.0/16 nexthop via 10.50.0.2 dev eth0 weight 1 nexthop via 10.6.0.8 dev eth1 weight 1
ip -6 route prepend default via fe80::2 dev eth0 table 100 proto ra metric 1024
ip -6 route del default via fe80::2 dev peth0 table 100 proto ra metric 1024
ip -6 route replace 2001:db8:10::/48 via 2001:db8::1 dev eth0 metric 1024 pref high expires 899
ip -6 route replace 2001:db8:11::/48 metric 1024 nexthop via fe80::8 dev eth0 weight 2 nexthop via fe80::8 dev eth1 weight 1
ip -6 route replace 2001:db8:51::/48 via 2001:db8:50::1 dev eth0 metric 1024
ip -6 route replace default via fe80::1 dev eth0 metric 1024
ip route del 10.50.0.1/32 dev eth0 proto static scope link
ip route del 10.50.0.2/32 dev eth0 proto static scope link
ip -6 route del 2001:db8:50::1/128 dev eth0 proto static
# let IPv6 on eth0 go on as before
ip link set dev eth0 addrgenmode eui64
# take the addresses off peth0
ip neigh del proxy 2001:db8::77 dev peth0
ip neigh del proxy 10.0.0.77 dev peth0
ip neigh del fe80::1 dev peth0
ip neigh del 10.0.0.5 dev peth0
ip neigh del 10.0.0.1 dev peth0
ip addr del 10.0.0.3/24 dev peth0
ip addr del 10.4.0.2 peer 10.4.0.9/32 dev peth0
ip addr del 10.3.0.2/24 dev peth0
ip addr del 10.2.0.2/24 dev peth0
ip addr del 10.1.0.2/24 dev peth0
ip addr del 10.0.0.2/24 dev peth0
ip addr del 10.5.0.2/24 dev peth0
sysctl -qw /net/ipv6/conf/peth0/force_mld_version=1
sysctl -qw /net/ipv6/conf/peth0/disable_ipv6=1
sysctl -qw /net/ipv6/conf/peth0/force_mld_version=0
ip link set dev peth0 arp off multicast off allmulticast off promisc off up
