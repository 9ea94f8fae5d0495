# $ xbr-script start vifnum=1 netdev=eth1 dom0=bridge
# In short: all of this, or nothing.
#   NIC        eth1 becomes peth1, a port of the bridge eth1
#   dom0       eth1, the bridge itself, gets no addresses and no routes
#   asked      nobody, so it is not found out whether the network still works
#   link       stays on all the while
#
# create the bridge beth1 for dom0
ip link add name beth1 index 6 address 00:16:3e:00:00:02 mtu 1501 txqueuelen 1000 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
ip link set dev beth1 mtu 1500 group 0 arp on multicast on allmulticast off promisc off addrgenmode none
sysctl -qw /net/ipv4/neigh/beth1/anycast_delay=100
sysctl -qw /net/ipv4/neigh/beth1/app_solicit=0
sysctl -qw /net/ipv4/neigh/beth1/base_reachable_time_ms=30000
sysctl -qw /net/ipv4/neigh/beth1/delay_first_probe_time=5
sysctl -qw /net/ipv4/neigh/beth1/gc_stale_time=60
sysctl -qw /net/ipv4/neigh/beth1/interval_probe_time_ms=5000
sysctl -qw /net/ipv4/neigh/beth1/locktime=100
sysctl -qw /net/ipv4/neigh/beth1/mcast_resolicit=0
sysctl -qw /net/ipv4/neigh/beth1/mcast_solicit=3
sysctl -qw /net/ipv4/neigh/beth1/proxy_delay=80
sysctl -qw /net/ipv4/neigh/beth1/proxy_qlen=64
sysctl -qw /net/ipv4/neigh/beth1/retrans_time_ms=1000
sysctl -qw /net/ipv4/neigh/beth1/ucast_solicit=3
sysctl -qw /net/ipv4/neigh/beth1/unres_qlen_bytes=212992
sysctl -qw /net/ipv6/neigh/beth1/anycast_delay=100
sysctl -qw /net/ipv6/neigh/beth1/app_solicit=0
sysctl -qw /net/ipv6/neigh/beth1/base_reachable_time_ms=30000
sysctl -qw /net/ipv6/neigh/beth1/delay_first_probe_time=5
sysctl -qw /net/ipv6/neigh/beth1/gc_stale_time=60
sysctl -qw /net/ipv6/neigh/beth1/interval_probe_time_ms=5000
sysctl -qw /net/ipv6/neigh/beth1/locktime=0
sysctl -qw /net/ipv6/neigh/beth1/mcast_resolicit=0
sysctl -qw /net/ipv6/neigh/beth1/mcast_solicit=3
sysctl -qw /net/ipv6/neigh/beth1/proxy_delay=80
sysctl -qw /net/ipv6/neigh/beth1/proxy_qlen=64
sysctl -qw /net/ipv6/neigh/beth1/retrans_time_ms=1000
sysctl -qw /net/ipv6/neigh/beth1/ucast_solicit=3
sysctl -qw /net/ipv6/neigh/beth1/unres_qlen_bytes=212992
ip link set dev beth1 addrgenmode none
ip link set dev beth1 up
# rename eth1 to peth1
ip link set dev eth1 name peth1
# rename beth1 to eth1
ip link set dev beth1 name eth1
# let peth1 make no more IPv6 addresses
ip link set dev peth1 addrgenmode none
# make peth1 a port of eth1
ip link set dev peth1 master eth1
# let IPv6 on eth1 go on as before
ip link set dev eth1 addrgenmode eui64
# take the addresses off peth1
sysctl -qw /net/ipv6/conf/peth1/disable_ipv6=1
ip link set dev peth1 arp off multicast off allmulticast off promisc off up
