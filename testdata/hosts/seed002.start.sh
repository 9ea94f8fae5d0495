# $ xbr-script start vifnum=0 netdev=eth0 --next vifnum=1 netdev=eth1 --next vifnum=2 netdev=eth2
# In short: all of this, or nothing.
#   NIC        eth0 becomes peth0, a port of the bridge xenbr0
#   dom0       its own eth0, with the port vif0.0, gets 2 addresses and 3 routes
#   NIC        eth1 becomes peth1, a port of the bridge xenbr1
#   dom0       its own eth1, with the port vif0.1, gets 1 address and 1 route
#   NIC        eth2 becomes peth2, a port of the bridge xenbr2
#   dom0       its own eth2, with the port vif0.2, gets 1 address and 1 route
#   asked      10.23.1.254: if some answer before, and none of these afterwards,
#              all is put back
#   link       stays on all the while
#
# create the bridge xenbr0
ip link add name xenbr0 index 8 address fe:ff:ff:ff:ff:ff mtu 1501 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
ip link set dev xenbr0 mtu 1500 arp off multicast off addrgenmode none
sysctl -qw /net/ipv6/conf/xenbr0/disable_ipv6=1
ip link set dev xenbr0 up
# create veth0 and vif0.0, dom0's port in xenbr0
ip link add name veth0 index 9 address 00:16:3e:00:00:01 mtu 1500 txqueuelen 1000 type veth peer name vif0.0 index 10 address fe:ff:ff:ff:ff:ff mtu 1500
ip link set dev vif0.0 master xenbr0 arp off multicast off addrgenmode none
ip link set dev veth0 group 0 arp on multicast on allmulticast off promisc off addrgenmode none
sysctl -qw /net/ipv6/conf/vif0.0/disable_ipv6=1
sysctl -qw /net/ipv4/neigh/veth0/anycast_delay=100
sysctl -qw /net/ipv4/neigh/veth0/app_solicit=0
sysctl -qw /net/ipv4/neigh/veth0/base_reachable_time_ms=30000
sysctl -qw /net/ipv4/neigh/veth0/delay_first_probe_time=5
sysctl -qw /net/ipv4/neigh/veth0/gc_stale_time=60
sysctl -qw /net/ipv4/neigh/veth0/interval_probe_time_ms=5000
sysctl -qw /net/ipv4/neigh/veth0/locktime=100
sysctl -qw /net/ipv4/neigh/veth0/mcast_resolicit=0
sysctl -qw /net/ipv4/neigh/veth0/mcast_solicit=3
sysctl -qw /net/ipv4/neigh/veth0/proxy_delay=80
sysctl -qw /net/ipv4/neigh/veth0/proxy_qlen=64
sysctl -qw /net/ipv4/neigh/veth0/retrans_time_ms=1000
sysctl -qw /net/ipv4/neigh/veth0/ucast_solicit=3
sysctl -qw /net/ipv4/neigh/veth0/unres_qlen_bytes=212992
sysctl -qw /net/ipv6/neigh/veth0/anycast_delay=100
sysctl -qw /net/ipv6/neigh/veth0/app_solicit=0
sysctl -qw /net/ipv6/neigh/veth0/base_reachable_time_ms=30000
sysctl -qw /net/ipv6/neigh/veth0/delay_first_probe_time=5
sysctl -qw /net/ipv6/neigh/veth0/gc_stale_time=60
sysctl -qw /net/ipv6/neigh/veth0/interval_probe_time_ms=5000
sysctl -qw /net/ipv6/neigh/veth0/locktime=0
sysctl -qw /net/ipv6/neigh/veth0/mcast_resolicit=0
sysctl -qw /net/ipv6/neigh/veth0/mcast_solicit=3
sysctl -qw /net/ipv6/neigh/veth0/proxy_delay=80
sysctl -qw /net/ipv6/neigh/veth0/proxy_qlen=64
sysctl -qw /net/ipv6/neigh/veth0/retrans_time_ms=1000
sysctl -qw /net/ipv6/neigh/veth0/ucast_solicit=3
sysctl -qw /net/ipv6/neigh/veth0/unres_qlen_bytes=212992
ip link set dev vif0.0 up
ip link set dev veth0 addrgenmode none
ip link set dev veth0 up
# wait for vif0.0 to forward
until bridge link show dev vif0.0 | grep -q 'state forwarding'; do sleep 0.01; done
# rename eth0 to peth0
ip link set dev eth0 name peth0
# rename veth0 to eth0
ip link set dev veth0 name eth0
# give eth0 the addresses
ip addr add 10.23.1.7/24 broadcast 10.23.1.255 dev eth0
ip addr add fe80::216:3eff:fe00:1/64 dev eth0 noprefixroute nodad
# let peth0 make no more IPv6 addresses
ip link set dev peth0 addrgenmode none
# make peth0 a port of xenbr0
ip link set dev peth0 master xenbr0
bridge fdb replace 00:16:3e:00:00:01 dev vif0.0 master static
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
ip link set dev peth0 address fe:ff:ff:ff:ff:ff || true
# create the bridge xenbr1
ip link add name xenbr1 index 11 address fe:ff:ff:ff:ff:ff mtu 1501 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
ip link set dev xenbr1 mtu 1500 arp off multicast off addrgenmode none
sysctl -qw /net/ipv6/conf/xenbr1/disable_ipv6=1
ip link set dev xenbr1 up
# create veth1 and vif0.1, dom0's port in xenbr1
ip link add name veth1 index 12 address 00:16:3e:00:00:02 mtu 1500 txqueuelen 1000 type veth peer name vif0.1 index 13 address fe:ff:ff:ff:ff:ff mtu 1500
ip link set dev vif0.1 master xenbr1 arp off multicast off addrgenmode none
ip link set dev veth1 group 0 arp on multicast on allmulticast off promisc off addrgenmode none
sysctl -qw /net/ipv6/conf/vif0.1/disable_ipv6=1
sysctl -qw /net/ipv4/neigh/veth1/anycast_delay=100
sysctl -qw /net/ipv4/neigh/veth1/app_solicit=0
sysctl -qw /net/ipv4/neigh/veth1/base_reachable_time_ms=30000
sysctl -qw /net/ipv4/neigh/veth1/delay_first_probe_time=5
sysctl -qw /net/ipv4/neigh/veth1/gc_stale_time=60
sysctl -qw /net/ipv4/neigh/veth1/interval_probe_time_ms=5000
sysctl -qw /net/ipv4/neigh/veth1/locktime=100
sysctl -qw /net/ipv4/neigh/veth1/mcast_resolicit=0
sysctl -qw /net/ipv4/neigh/veth1/mcast_solicit=3
sysctl -qw /net/ipv4/neigh/veth1/proxy_delay=80
sysctl -qw /net/ipv4/neigh/veth1/proxy_qlen=64
sysctl -qw /net/ipv4/neigh/veth1/retrans_time_ms=1000
sysctl -qw /net/ipv4/neigh/veth1/ucast_solicit=3
sysctl -qw /net/ipv4/neigh/veth1/unres_qlen_bytes=212992
sysctl -qw /net/ipv6/neigh/veth1/anycast_delay=100
sysctl -qw /net/ipv6/neigh/veth1/app_solicit=0
sysctl -qw /net/ipv6/neigh/veth1/base_reachable_time_ms=30000
sysctl -qw /net/ipv6/neigh/veth1/delay_first_probe_time=5
sysctl -qw /net/ipv6/neigh/veth1/gc_stale_time=60
sysctl -qw /net/ipv6/neigh/veth1/interval_probe_time_ms=5000
sysctl -qw /net/ipv6/neigh/veth1/locktime=0
sysctl -qw /net/ipv6/neigh/veth1/mcast_resolicit=0
sysctl -qw /net/ipv6/neigh/veth1/mcast_solicit=3
sysctl -qw /net/ipv6/neigh/veth1/proxy_delay=80
sysctl -qw /net/ipv6/neigh/veth1/proxy_qlen=64
sysctl -qw /net/ipv6/neigh/veth1/retrans_time_ms=1000
sysctl -qw /net/ipv6/neigh/veth1/ucast_solicit=3
sysctl -qw /net/ipv6/neigh/veth1/unres_qlen_bytes=212992
ip link set dev vif0.1 up
ip link set dev veth1 addrgenmode none
ip link set dev veth1 up
# wait for vif0.1 to forward
until bridge link show dev vif0.1 | grep -q 'state forwarding'; do sleep 0.01; done
# rename eth1 to peth1
ip link set dev eth1 name peth1
# rename veth1 to eth1
ip link set dev veth1 name eth1
# give eth1 the addresses
ip addr add fe80::216:3eff:fe00:2/64 dev eth1 noprefixroute nodad
# let peth1 make no more IPv6 addresses
ip link set dev peth1 addrgenmode none
# make peth1 a port of xenbr1
ip link set dev peth1 master xenbr1
bridge fdb replace 00:16:3e:00:00:02 dev vif0.1 master static
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
ip link set dev peth1 address fe:ff:ff:ff:ff:ff || true
# create the bridge xenbr2
ip link add name xenbr2 index 14 address fe:ff:ff:ff:ff:ff mtu 1501 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
ip link set dev xenbr2 mtu 1500 arp off multicast off addrgenmode none
sysctl -qw /net/ipv6/conf/xenbr2/disable_ipv6=1
ip link set dev xenbr2 up
# create veth2 and vif0.2, dom0's port in xenbr2
ip link add name veth2 index 15 address 00:16:3e:00:00:03 mtu 1500 txqueuelen 1000 type veth peer name vif0.2 index 16 address fe:ff:ff:ff:ff:ff mtu 1500
ip link set dev vif0.2 master xenbr2 arp off multicast off addrgenmode none
ip link set dev veth2 group 0 arp on multicast on allmulticast off promisc off addrgenmode none
sysctl -qw /net/ipv6/conf/vif0.2/disable_ipv6=1
sysctl -qw /net/ipv4/neigh/veth2/anycast_delay=100
sysctl -qw /net/ipv4/neigh/veth2/app_solicit=0
sysctl -qw /net/ipv4/neigh/veth2/base_reachable_time_ms=30000
sysctl -qw /net/ipv4/neigh/veth2/delay_first_probe_time=5
sysctl -qw /net/ipv4/neigh/veth2/gc_stale_time=60
sysctl -qw /net/ipv4/neigh/veth2/interval_probe_time_ms=5000
sysctl -qw /net/ipv4/neigh/veth2/locktime=100
sysctl -qw /net/ipv4/neigh/veth2/mcast_resolicit=0
sysctl -qw /net/ipv4/neigh/veth2/mcast_solicit=3
sysctl -qw /net/ipv4/neigh/veth2/proxy_delay=80
sysctl -qw /net/ipv4/neigh/veth2/proxy_qlen=64
sysctl -qw /net/ipv4/neigh/veth2/retrans_time_ms=1000
sysctl -qw /net/ipv4/neigh/veth2/ucast_solicit=3
sysctl -qw /net/ipv4/neigh/veth2/unres_qlen_bytes=212992
sysctl -qw /net/ipv6/neigh/veth2/anycast_delay=100
sysctl -qw /net/ipv6/neigh/veth2/app_solicit=0
sysctl -qw /net/ipv6/neigh/veth2/base_reachable_time_ms=30000
sysctl -qw /net/ipv6/neigh/veth2/delay_first_probe_time=5
sysctl -qw /net/ipv6/neigh/veth2/gc_stale_time=60
sysctl -qw /net/ipv6/neigh/veth2/interval_probe_time_ms=5000
sysctl -qw /net/ipv6/neigh/veth2/locktime=0
sysctl -qw /net/ipv6/neigh/veth2/mcast_resolicit=0
sysctl -qw /net/ipv6/neigh/veth2/mcast_solicit=3
sysctl -qw /net/ipv6/neigh/veth2/proxy_delay=80
sysctl -qw /net/ipv6/neigh/veth2/proxy_qlen=64
sysctl -qw /net/ipv6/neigh/veth2/retrans_time_ms=1000
sysctl -qw /net/ipv6/neigh/veth2/ucast_solicit=3
sysctl -qw /net/ipv6/neigh/veth2/unres_qlen_bytes=212992
ip link set dev vif0.2 up
ip link set dev veth2 addrgenmode none
ip link set dev veth2 up
# wait for vif0.2 to forward
until bridge link show dev vif0.2 | grep -q 'state forwarding'; do sleep 0.01; done
# rename eth2 to peth2
ip link set dev eth2 name peth2
# rename veth2 to eth2
ip link set dev veth2 name eth2
# give eth2 the addresses
ip addr add fe80::216:3eff:fe00:3/64 dev eth2 noprefixroute nodad
# let peth2 make no more IPv6 addresses
ip link set dev peth2 addrgenmode none
# make peth2 a port of xenbr2
ip link set dev peth2 master xenbr2
bridge fdb replace 00:16:3e:00:00:03 dev vif0.2 master static
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
ip link set dev peth2 address fe:ff:ff:ff:ff:ff || true
