# $ xbr-script stop
# In short: all of this, or nothing.
#   NIC        peth0 becomes eth0 again, and leaves the bridge xenbr0
#   dom0       the NIC gets back 13 addresses and 30 routes from dom0's
#              interface, which goes
#   asked      10.0.0.6, 10.0.0.1, 10.1.0.1, 10.0.0.8 and 12 more: if some
#              answer before, and none of these afterwards, all is put back
#   link       stays on all the while
#
# rename eth0 to veth0
ip link set dev eth0 name veth0
# rename peth0 to eth0
ip link set dev peth0 name eth0
# move the alternative names of veth0
ip link property del dev veth0 altname enp3s0
ip link property add dev eth0 altname enp3s0
ip link property del dev veth0 altname uplink
ip link property add dev eth0 altname uplink
# hush IPv6 on veth0
ip link set dev veth0 addrgenmode none
sysctl -qw /net/ipv6/conf/veth0/disable_ipv6=0
# give eth0 its address and what dom0 has
ip link set dev eth0 address 00:16:3e:00:00:01
bridge fdb replace 00:16:3e:00:00:01 dev vif0.0 master static
ip link set dev eth0 arp on multicast on allmulticast off promisc off up
ip link set dev eth0 addrgenmode none
sysctl -qw /net/ipv6/conf/eth0/disable_ipv6=0
sysctl -qw /net/ipv6/conf/eth0/force_mld_version=0
ip addr add 10.5.0.2/24 dev eth0 label eth0:db scope link
ip addr add 10.0.0.2/24 broadcast 10.0.0.255 dev eth0
ip addr add 10.1.0.2/24 broadcast 10.1.0.255 dev eth0 metric 77
ip addr add 10.2.0.2/24 dev eth0 noprefixroute
ip addr add 10.3.0.2/24 dev eth0 valid_lft 2999 preferred_lft 1999
ip addr add 10.4.0.2 peer 10.4.0.9/32 dev eth0
ip addr add 10.0.0.3/24 dev eth0 label eth0:web
ip addr add fe80::216:3eff:fe00:1/64 dev eth0 noprefixroute nodad
ip addr add 2001:db8::2/64 dev eth0 noprefixroute nodad
ip addr add 2001:db8::3/64 dev eth0 valid_lft 2000 preferred_lft 1000 noprefixroute nodad
ip addr add 2001:db8::4/64 dev eth0 valid_lft 2000 preferred_lft 0 noprefixroute nodad
ip addr add 2001:db8:1::2/64 dev eth0 noprefixroute nodad
ip addr add 2001:db8:2::2/64 dev eth0 metric 300 noprefixroute nodad
ip neigh replace 10.0.0.5 lladdr 02:00:00:00:00:05 dev eth0 nud stale
ip neigh replace 10.0.0.1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent
ip neigh replace fe80::1 lladdr 02:00:00:00:00:01 dev eth0 nud stale router
ip neigh replace proxy 10.0.0.77 dev eth0
ip neigh replace proxy 2001:db8::77 dev eth0
# switch the routes from veth0 to eth0
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
ip addr replace 2001:db8::3/64 dev eth0 valid_lft 2000 preferred_lft 1000
ip addr replace 2001:db8::4/64 dev eth0 valid_lft 2000 preferred_lft 0
ip addr replace 2001:db8:1::2/64 dev eth0 noprefixroute
ip addr replace 2001:db8:2::2/64 dev eth0 metric 300
ip -6 route del 2001:db8::/64 dev veth0 proto kernel metric 256
ip -6 route del 2001:db8:2::/64 dev veth0 proto kernel metric 300
ip -6 route prepend 2001:db8:12::/48 dev eth0 metric 5
ip -6 route del 2001:db8:12::/48 dev veth0 proto boot metric 5
ip -6 route del fe80::/64 dev veth0 proto kernel metric 256
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
ip route del 10.14.0.0/16 dev veth0 proto boot scope link
ip route append 10.14.0.0/16 dev eth0
ip route del 10.14.0.0/16 via 10.1.0.7 dev veth0 proto boot
ip route append 10.14.0.0/16 via 10.1.0.7 dev eth0
ip route replace 10.15.0.0/16 via 172.16.0.1 dev eth0 onlink
ip route replace 10.51.0.0/16 via 10.50.0.1 dev eth0
ip route replace 10.52.0.0/16 nexthop via 10.50.0.2 dev eth0 weight 1 nexthop via 10.6.0.8 dev eth1 weight 1
ip -6 route prepend default via fe80::2 dev eth0 table 100 proto ra metric 1024
ip -6 route del default via fe80::2 dev veth0 table 100 proto ra metric 1024
ip -6 route replace 2001:db8:10::/48 via 2001:db8::1 dev eth0 metric 1024 pref high expires 899
ip -6 route replace 2001:db8:11::/48 metric 1024 nexthop via fe80::8 dev eth0 weight 2 nexthop via fe80::8 dev eth1 weight 1
ip -6 route replace 2001:db8:51::/48 via 2001:db8:50::1 dev eth0 metric 1024
ip -6 route replace default via fe80::1 dev eth0 metric 1024
ip route del 10.50.0.1/32 dev eth0 proto static scope link
ip route del 10.50.0.2/32 dev eth0 proto static scope link
ip -6 route del 2001:db8:50::1/128 dev eth0 proto static
# take the neighbours off veth0
ip neigh del proxy 2001:db8::77 dev veth0
ip neigh del proxy 10.0.0.77 dev veth0
ip neigh del fe80::1 dev veth0
ip neigh del 10.0.0.1 dev veth0
ip neigh del 10.0.0.5 dev veth0
# take eth0 out of xenbr0
ip link set dev eth0 nomaster
bridge fdb del 00:16:3e:00:00:01 dev vif0.0 master
# let IPv6 on eth0 go on as before
ip link set dev eth0 addrgenmode eui64
# delete veth0 with vif0.0, xenbr0
ip link set dev veth0 group 189590123
ip link set dev xenbr0 group 189590123
ip link del group 189590123
