# $ xbr-script start vifnum=0 netdev=eth0 bridge=xenbr0 dom0=bridge
# In short: all of this, or nothing.
#   NIC        eth0 becomes peth0, a port of the bridge xenbr0
#   dom0       xenbr0, the bridge itself, gets 2 addresses and 3 routes
#   guests     vif1.0, vif2.0, vif3.0, vif4.0-emu come back into it
#   asked      192.168.0.1: if some answer before, and none of these afterwards,
#              all is put back
#   link       stays on all the while
#
# create the bridge xenbr0 for dom0
ip link add name xenbr0 index 16 address 00:16:3e:00:00:01 mtu 1501 txqueuelen 1000 type bridge stp_state 0 forward_delay 0 hello_time 300 ageing_time 12300 group_fwd_mask 8 mcast_snooping 1 mcast_querier 1 mcast_igmp_version 3
ip link set dev xenbr0 mtu 1500 group 0 arp on multicast on allmulticast off promisc off addrgenmode none
sysctl -qw /net/ipv4/neigh/xenbr0/anycast_delay=100
sysctl -qw /net/ipv4/neigh/xenbr0/app_solicit=0
sysctl -qw /net/ipv4/neigh/xenbr0/base_reachable_time_ms=30000
sysctl -qw /net/ipv4/neigh/xenbr0/delay_first_probe_time=5
sysctl -qw /net/ipv4/neigh/xenbr0/gc_stale_time=60
sysctl -qw /net/ipv4/neigh/xenbr0/interval_probe_time_ms=5000
sysctl -qw /net/ipv4/neigh/xenbr0/locktime=100
sysctl -qw /net/ipv4/neigh/xenbr0/mcast_resolicit=0
sysctl -qw /net/ipv4/neigh/xenbr0/mcast_solicit=3
sysctl -qw /net/ipv4/neigh/xenbr0/proxy_delay=80
sysctl -qw /net/ipv4/neigh/xenbr0/proxy_qlen=64
sysctl -qw /net/ipv4/neigh/xenbr0/retrans_time_ms=1000
sysctl -qw /net/ipv4/neigh/xenbr0/ucast_solicit=3
sysctl -qw /net/ipv4/neigh/xenbr0/unres_qlen_bytes=212992
sysctl -qw /net/ipv6/neigh/xenbr0/anycast_delay=100
sysctl -qw /net/ipv6/neigh/xenbr0/app_solicit=0
sysctl -qw /net/ipv6/neigh/xenbr0/base_reachable_time_ms=30000
sysctl -qw /net/ipv6/neigh/xenbr0/delay_first_probe_time=5
sysctl -qw /net/ipv6/neigh/xenbr0/gc_stale_time=60
sysctl -qw /net/ipv6/neigh/xenbr0/interval_probe_time_ms=5000
sysctl -qw /net/ipv6/neigh/xenbr0/locktime=0
sysctl -qw /net/ipv6/neigh/xenbr0/mcast_resolicit=0
sysctl -qw /net/ipv6/neigh/xenbr0/mcast_solicit=3
sysctl -qw /net/ipv6/neigh/xenbr0/proxy_delay=80
sysctl -qw /net/ipv6/neigh/xenbr0/proxy_qlen=64
sysctl -qw /net/ipv6/neigh/xenbr0/retrans_time_ms=1000
sysctl -qw /net/ipv6/neigh/xenbr0/ucast_solicit=3
sysctl -qw /net/ipv6/neigh/xenbr0/unres_qlen_bytes=212992
ip link set dev xenbr0 addrgenmode none
ip link set dev xenbr0 up
# rename eth0 to peth0
ip link set dev eth0 name peth0
# give xenbr0 the addresses
ip addr add 192.168.0.20/24 broadcast 192.168.0.255 dev xenbr0
ip addr add fe80::216:3eff:fe00:1/64 dev xenbr0 noprefixroute nodad
# let peth0 make no more IPv6 addresses
ip link set dev peth0 addrgenmode none
# make peth0 a port of xenbr0
ip link set dev peth0 master xenbr0
# wait for xenbr0 to have a carrier
for i in $(seq 100); do ip link show dev xenbr0 | grep -q 'LOWER_UP.* state UP' && break; sleep 0.1; done
# switch the routes from peth0 to xenbr0
ip route del 192.168.0.0/24 dev xenbr0 proto kernel scope link src 192.168.0.20
ip route replace 192.168.0.0/24 dev xenbr0 proto kernel src 192.168.0.20
ip addr replace fe80::216:3eff:fe00:1/64 dev xenbr0
ip -6 route del fe80::/64 dev peth0 proto kernel metric 256
ip route replace default via 192.168.0.1 dev xenbr0
# let IPv6 on xenbr0 go on as before
ip link set dev xenbr0 addrgenmode eui64
# take the addresses off peth0
ip addr del 192.168.0.20/24 dev peth0
sysctl -qw /net/ipv6/conf/peth0/force_mld_version=1
sysctl -qw /net/ipv6/conf/peth0/disable_ipv6=1
sysctl -qw /net/ipv6/conf/peth0/force_mld_version=0
ip link set dev peth0 arp off multicast off allmulticast off promisc off up
# take the guests' ports back into xenbr0
ip link set dev vif1.0 state DORMANT
ip link set dev vif1.0 master xenbr0
ip link set dev vif1.0 type bridge_slave priority 9 cost 77 hairpin on guard on root_block on learning off flood off mcast_router 2 mcast_flood off bcast_flood off mcast_to_unicast on group_fwd_mask 8 isolated on
bridge fdb replace 02:00:00:00:77:01 dev vif1.0 master static
bridge mdb add dev xenbr0 port vif1.0 grp 239.1.1.2 src 10.0.0.1 permanent
bridge mdb add dev xenbr0 port vif1.0 grp 239.1.1.1 permanent
ip link set dev vif1.0 state UP
ip link set dev vif2.0 state DORMANT
ip link set dev vif2.0 master xenbr0
ip link set dev vif2.0 type bridge_slave mcast_fast_leave on proxy_arp on proxy_arp_wifi on neigh_suppress on locked on
bridge fdb replace 02:00:00:00:77:03 dev vif2.0 master dynamic extern_learn
bridge fdb replace 02:00:00:00:77:02 dev vif2.0 master static sticky
ip link set dev vif2.0 state UP
ip link set dev vif3.0 master xenbr0
ip link set dev vif4.0-emu master xenbr0
ip link set dev vif4.0-emu type bridge_slave cost 2
ip link set dev vif2.0 type bridge_slave backup_port if10
