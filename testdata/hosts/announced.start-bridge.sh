# $ xbr-script start vifnum=0 netdev=eth0 dom0=bridge
# In short: all of this, or nothing.
#   NIC        eth0 becomes peth0, a port of the bridge eth0
#   dom0       eth0, the bridge itself, gets 5 addresses and 13 routes
#   asked      fe80::1, fe80::7, fe80::2: if some answer before, and none of
#              these afterwards, all is put back
#   link       stays on all the while
#
# create the bridge beth0 for dom0
ip link add name beth0 index 6 address 00:16:3e:00:00:01 mtu 1501 txqueuelen 1000 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
ip link set dev beth0 mtu 1500 group 0 arp on multicast on allmulticast off promisc off addrgenmode none
sysctl -qw /net/ipv4/neigh/beth0/anycast_delay=100
sysctl -qw /net/ipv4/neigh/beth0/app_solicit=0
sysctl -qw /net/ipv4/neigh/beth0/base_reachable_time_ms=30000
sysctl -qw /net/ipv4/neigh/beth0/delay_first_probe_time=5
sysctl -qw /net/ipv4/neigh/beth0/gc_stale_time=60
sysctl -qw /net/ipv4/neigh/beth0/interval_probe_time_ms=5000
sysctl -qw /net/ipv4/neigh/beth0/locktime=100
sysctl -qw /net/ipv4/neigh/beth0/mcast_resolicit=0
sysctl -qw /net/ipv4/neigh/beth0/mcast_solicit=3
sysctl -qw /net/ipv4/neigh/beth0/proxy_delay=80
sysctl -qw /net/ipv4/neigh/beth0/proxy_qlen=64
sysctl -qw /net/ipv4/neigh/beth0/retrans_time_ms=1000
sysctl -qw /net/ipv4/neigh/beth0/ucast_solicit=3
sysctl -qw /net/ipv4/neigh/beth0/unres_qlen_bytes=212992
sysctl -qw /net/ipv6/conf/beth0/accept_ra_rt_info_max_plen=64
sysctl -qw /net/ipv6/conf/beth0/hop_limit=63
sysctl -qw /net/ipv6/neigh/beth0/anycast_delay=100
sysctl -qw /net/ipv6/neigh/beth0/app_solicit=0
sysctl -qw /net/ipv6/neigh/beth0/base_reachable_time_ms=20000
sysctl -qw /net/ipv6/neigh/beth0/delay_first_probe_time=5
sysctl -qw /net/ipv6/neigh/beth0/gc_stale_time=60
sysctl -qw /net/ipv6/neigh/beth0/interval_probe_time_ms=5000
sysctl -qw /net/ipv6/neigh/beth0/locktime=0
sysctl -qw /net/ipv6/neigh/beth0/mcast_resolicit=0
sysctl -qw /net/ipv6/neigh/beth0/mcast_solicit=3
sysctl -qw /net/ipv6/neigh/beth0/proxy_delay=80
sysctl -qw /net/ipv6/neigh/beth0/proxy_qlen=64
sysctl -qw /net/ipv6/neigh/beth0/retrans_time_ms=700
sysctl -qw /net/ipv6/neigh/beth0/ucast_solicit=3
sysctl -qw /net/ipv6/neigh/beth0/unres_qlen_bytes=212992
ip link set dev beth0 addrgenmode none
ip link set dev beth0 up
# rename eth0 to peth0
ip link set dev eth0 name peth0
# rename beth0 to eth0
ip link set dev beth0 name eth0
# give eth0 the addresses
ip addr add 192.0.2.2/24 broadcast 192.0.2.255 dev eth0
ip addr add fe80::216:3eff:fe00:1/64 dev eth0 noprefixroute nodad
ip addr add 2001:db8:1::2/64 dev eth0 noprefixroute nodad
ip addr add 2001:db8:1:0:216:3eff:fe00:1/64 dev eth0 valid_lft 3599 preferred_lft 1799 noprefixroute nodad
ip addr add 2001:db8:2:0:216:3eff:fe00:1/64 dev eth0 valid_lft 4294967294 preferred_lft 4294967294 noprefixroute nodad
# let peth0 make no more IPv6 addresses
ip link set dev peth0 addrgenmode none
# make peth0 a port of eth0
ip link set dev peth0 master eth0
# wait for eth0 to have a carrier
for i in $(seq 100); do ip link show dev eth0 | grep -q 'LOWER_UP.* state UP' && break; sleep 0.1; done
# give eth0 the neighbours
ip neigh replace fe80::2 lladdr 02:ff:00:00:00:02 dev eth0 nud stale router
ip neigh replace fe80::1 lladdr 02:ff:00:00:00:01 dev eth0 nud stale router
# switch the routes from peth0 to eth0
ip route del 192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.2
ip route replace 192.0.2.0/24 dev eth0 proto kernel src 192.0.2.2
ip addr replace fe80::216:3eff:fe00:1/64 dev eth0
ip addr replace 2001:db8:1::2/64 dev eth0
ip addr replace 2001:db8:1:0:216:3eff:fe00:1/64 dev eth0 valid_lft 3599 preferred_lft 1799 mngtmpaddr
ip addr replace 2001:db8:2:0:216:3eff:fe00:1/64 dev eth0 valid_lft 4294967294 preferred_lft 4294967294 mngtmpaddr
ip -6 route del 2001:db8:1::/64 dev peth0 proto kernel metric 256
ip -6 route del 2001:db8:2::/64 dev eth0 metric 256
ip -6 route prepend 2001:db8:2::/64 dev eth0 proto kernel metric 256   # stands in until the next router advertisement: the right one is the kernel's own, which no command can make
ip -6 route del 2001:db8:2::/64 dev peth0 metric 256
ip -6 route prepend 2001:db8:3::/64 dev eth0 proto kernel metric 256 expires 3598   # stands in until the next router advertisement: the right one is the kernel's own, which no command can make
ip -6 route del 2001:db8:3::/64 dev peth0 metric 256 expires 3598
ip -6 route del fe80::/64 dev peth0 proto kernel metric 256
ip -6 route prepend default via fe80::1 dev eth0 table 100 proto ra metric 1024
ip -6 route del default via fe80::1 dev peth0 table 100 proto ra metric 1024
ip -6 route replace 2001:db8:77::/48 via fe80::1 dev eth0 metric 1024
ip -6 route prepend 2001:db8:8000::/48 via fe80::1 dev eth0 proto ra metric 1025 pref high expires 1798   # stands in until the next router advertisement: the right one has the metric before and is the kernel's own, which no command can make
ip -6 route del 2001:db8:8000::/48 via fe80::1 dev peth0 metric 1024 pref high expires 1798
ip -6 route prepend 2001:db8:9000::/48 via fe80::1 dev eth0 proto ra metric 1025 pref low   # stands in until the next router advertisement: the right one has the metric before and is the kernel's own, which no command can make
ip -6 route del 2001:db8:9000::/48 via fe80::1 dev peth0 metric 1024 pref low
ip -6 route prepend default via fe80::7 dev eth0 proto ra metric 100 expires 898
ip -6 route del default via fe80::7 dev peth0 proto ra metric 100 expires 898
ip -6 route prepend default via fe80::1 dev eth0 proto ra metric 1025 expires 1798   # stands in until the next router advertisement: the right one has the metric before and is the kernel's own, which no command can make
ip -6 route del default via fe80::1 dev peth0 metric 1024 expires 1798
ip -6 route prepend default via fe80::2 dev eth0 proto ra metric 1025 pref low expires 898   # stands in until the next router advertisement: the right one has the metric before and is the kernel's own, which no command can make
ip -6 route del default via fe80::2 dev peth0 metric 1024 pref low expires 898
ip -6 route replace default via fe80::1 dev eth0 metric 2000
# let IPv6 on eth0 go on as before
ip link set dev eth0 addrgenmode eui64
sysctl -qw /net/ipv6/conf/eth0/mtu=1480
# take the addresses off peth0
ip neigh del fe80::1 dev peth0
ip neigh del fe80::2 dev peth0
ip addr del 192.0.2.2/24 dev peth0
sysctl -qw /net/ipv6/conf/peth0/force_mld_version=1
sysctl -qw /net/ipv6/conf/peth0/disable_ipv6=1
sysctl -qw /net/ipv6/conf/peth0/mtu=1500
sysctl -qw /net/ipv6/conf/peth0/force_mld_version=0
ip link set dev peth0 arp off multicast off allmulticast off promisc off up
