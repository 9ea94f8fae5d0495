# $ xbr-script start vifnum=0 netdev=eth0 dom0=bridge --next vifnum=1 netdev=eth1 dom0=bridge --next vifnum=2 netdev=eth2 dom0=bridge
# In short: all of this, or nothing.
#   NIC        eth0 becomes peth0, a port of the bridge eth0
#   dom0       eth0, the bridge itself, gets 2 addresses and 3 routes
#   NIC        eth1 becomes peth1, a port of the bridge eth1
#   dom0       eth1, the bridge itself, gets 1 address and 1 route
#   NIC        eth2 becomes peth2, a port of the bridge eth2
#   dom0       eth2, the bridge itself, gets 1 address and 1 route
#   asked      10.23.1.254: if some answer before, and none of these afterwards,
#              all is put back
#   link       stays on all the while
#
# create the bridge beth0 for dom0
ip link add name beth0 index 8 address 00:16:3e:00:00:01 mtu 1501 txqueuelen 1000 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
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
sysctl -qw /net/ipv6/neigh/beth0/retrans_time_ms=1000
sysctl -qw /net/ipv6/neigh/beth0/ucast_solicit=3
sysctl -qw /net/ipv6/neigh/beth0/unres_qlen_bytes=212992
ip link set dev beth0 addrgenmode none
ip link set dev beth0 up
# rename eth0 to peth0
ip link set dev eth0 name peth0
# rename beth0 to eth0
ip link set dev beth0 name eth0
# give eth0 the addresses
ip addr add 10.23.1.7/24 broadcast 10.23.1.255 dev eth0
ip addr add fe80::216:3eff:fe00:1/64 dev eth0 noprefixroute nodad
# let peth0 make no more IPv6 addresses
ip link set dev peth0 addrgenmode none
# make peth0 a port of eth0
ip link set dev peth0 master eth0
# wait for eth0 to have a carrier
for i in $(seq 100); do ip link show dev eth0 | grep -q 'LOWER_UP.* state UP' && break; sleep 0.1; done
# switch the routes from peth0 to eth0
ip route del 10.23.1.0/24 dev eth0 proto kernel scope link src 10.23.1.7
ip route replace 10.23.1.0/24 dev eth0 proto kernel src 10.23.1.7
ip addr replace fe80::216:3eff:fe00:1/64 dev eth0
ip -6 route del fe80::/64 dev peth0 proto kernel metric 256
ip route replace default via 10.23.1.254 dev eth0
# let IPv6 on eth0 go on as before
ip link set dev eth0 addrgenmode eui64
# take the addresses off peth0
ip addr del 10.23.1.7/24 dev peth0
sysctl -qw /net/ipv6/conf/peth0/force_mld_version=1
sysctl -qw /net/ipv6/conf/peth0/disable_ipv6=1
sysctl -qw /net/ipv6/conf/peth0/force_mld_version=0
ip link set dev peth0 arp off multicast off allmulticast off promisc off up
# create the bridge beth1 for dom0
ip link add name beth1 index 9 address 00:16:3e:00:00:02 mtu 1501 txqueuelen 1000 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
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
# give eth1 the addresses
ip addr add fe80::216:3eff:fe00:2/64 dev eth1 noprefixroute nodad
# let peth1 make no more IPv6 addresses
ip link set dev peth1 addrgenmode none
# make peth1 a port of eth1
ip link set dev peth1 master eth1
# wait for eth1 to have a carrier
for i in $(seq 100); do ip link show dev eth1 | grep -q 'LOWER_UP.* state UP' && break; sleep 0.1; done
# switch the routes from peth1 to eth1
ip addr replace fe80::216:3eff:fe00:2/64 dev eth1
ip -6 route del fe80::/64 dev peth1 proto kernel metric 256
# let IPv6 on eth1 go on as before
ip link set dev eth1 addrgenmode eui64
# take the addresses off peth1
sysctl -qw /net/ipv6/conf/peth1/force_mld_version=1
sysctl -qw /net/ipv6/conf/peth1/disable_ipv6=1
sysctl -qw /net/ipv6/conf/peth1/force_mld_version=0
ip link set dev peth1 arp off multicast off allmulticast off promisc off up
# create the bridge beth2 for dom0
ip link add name beth2 index 10 address 00:16:3e:00:00:03 mtu 1501 txqueuelen 1000 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
ip link set dev beth2 mtu 1500 group 0 arp on multicast on allmulticast off promisc off addrgenmode none
sysctl -qw /net/ipv4/neigh/beth2/anycast_delay=100
sysctl -qw /net/ipv4/neigh/beth2/app_solicit=0
sysctl -qw /net/ipv4/neigh/beth2/base_reachable_time_ms=30000
sysctl -qw /net/ipv4/neigh/beth2/delay_first_probe_time=5
sysctl -qw /net/ipv4/neigh/beth2/gc_stale_time=60
sysctl -qw /net/ipv4/neigh/beth2/interval_probe_time_ms=5000
sysctl -qw /net/ipv4/neigh/beth2/locktime=100
sysctl -qw /net/ipv4/neigh/beth2/mcast_resolicit=0
sysctl -qw /net/ipv4/neigh/beth2/mcast_solicit=3
sysctl -qw /net/ipv4/neigh/beth2/proxy_delay=80
sysctl -qw /net/ipv4/neigh/beth2/proxy_qlen=64
sysctl -qw /net/ipv4/neigh/beth2/retrans_time_ms=1000
sysctl -qw /net/ipv4/neigh/beth2/ucast_solicit=3
sysctl -qw /net/ipv4/neigh/beth2/unres_qlen_bytes=212992
sysctl -qw /net/ipv6/neigh/beth2/anycast_delay=100
sysctl -qw /net/ipv6/neigh/beth2/app_solicit=0
sysctl -qw /net/ipv6/neigh/beth2/base_reachable_time_ms=30000
sysctl -qw /net/ipv6/neigh/beth2/delay_first_probe_time=5
sysctl -qw /net/ipv6/neigh/beth2/gc_stale_time=60
sysctl -qw /net/ipv6/neigh/beth2/interval_probe_time_ms=5000
sysctl -qw /net/ipv6/neigh/beth2/locktime=0
sysctl -qw /net/ipv6/neigh/beth2/mcast_resolicit=0
sysctl -qw /net/ipv6/neigh/beth2/mcast_solicit=3
sysctl -qw /net/ipv6/neigh/beth2/proxy_delay=80
sysctl -qw /net/ipv6/neigh/beth2/proxy_qlen=64
sysctl -qw /net/ipv6/neigh/beth2/retrans_time_ms=1000
sysctl -qw /net/ipv6/neigh/beth2/ucast_solicit=3
sysctl -qw /net/ipv6/neigh/beth2/unres_qlen_bytes=212992
ip link set dev beth2 addrgenmode none
ip link set dev beth2 up
# rename eth2 to peth2
ip link set dev eth2 name peth2
# rename beth2 to eth2
ip link set dev beth2 name eth2
# give eth2 the addresses
ip addr add fe80::216:3eff:fe00:3/64 dev eth2 noprefixroute nodad
# let peth2 make no more IPv6 addresses
ip link set dev peth2 addrgenmode none
# make peth2 a port of eth2
ip link set dev peth2 master eth2
# wait for eth2 to have a carrier
for i in $(seq 100); do ip link show dev eth2 | grep -q 'LOWER_UP.* state UP' && break; sleep 0.1; done
# switch the routes from peth2 to eth2
ip addr replace fe80::216:3eff:fe00:3/64 dev eth2
ip -6 route del fe80::/64 dev peth2 proto kernel metric 256
# let IPv6 on eth2 go on as before
ip link set dev eth2 addrgenmode eui64
# take the addresses off peth2
sysctl -qw /net/ipv6/conf/peth2/force_mld_version=1
sysctl -qw /net/ipv6/conf/peth2/disable_ipv6=1
sysctl -qw /net/ipv6/conf/peth2/force_mld_version=0
ip link set dev peth2 arp off multicast off allmulticast off promisc off up
