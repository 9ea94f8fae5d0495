# $ xbr-script start vifnum=0 netdev=eth0 dom0=bridge
# In short: all of this, or nothing.
#   NIC        eth0 becomes peth0, a port of the bridge eth0
#   dom0       eth0, the bridge itself, gets 3 addresses and 5 routes
#   asked      192.168.0.1, 2001:db8::1: if some answer before, and none of
#              these afterwards, all is put back
#   link       goes off while the NIC is renamed; it is waited for, 10 s at
#              most, and dom0 has no network until it is back
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
# keep the address of the VLANs on eth0
ip link set dev eth0.5 address 00:16:3e:00:00:01
ip neigh replace 10.5.0.1 lladdr 02:00:00:05:00:01 dev eth0.5 nud permanent
# switch eth0 off, which this kernel needs to rename it
ip link set dev eth0 down
# rename eth0 to peth0
ip link set dev eth0 name peth0
# rename beth0 to eth0
ip link set dev beth0 name eth0
# give eth0 the addresses
ip addr add 192.168.0.2/24 broadcast 192.168.0.255 dev eth0
# take the addresses off peth0
ip addr del 192.168.0.2/24 dev peth0
# make peth0 a port of eth0
sysctl -qw /net/ipv6/conf/peth0/disable_ipv6=1
ip link set dev peth0 addrgenmode none
ip link set dev peth0 master eth0 arp off multicast off allmulticast off promisc off
ip link set dev peth0 up
# give the VLANs of peth0 back what they lost
ip addr add 10.5.0.2/24 dev eth0.5
ip neigh replace 10.5.0.1 lladdr 02:00:00:05:00:01 dev eth0.5 nud permanent
ip addr add 10.6.0.2/24 dev eth0.6
ip neigh replace 10.6.0.1 lladdr 02:00:00:06:00:01 dev eth0.6 nud permanent
ip route del 10.5.0.0/24 dev eth0.5 proto kernel scope link src 10.5.0.2
ip route del 10.6.0.0/24 dev eth0.6 proto kernel scope link src 10.6.0.2
# switch eth0 on
ip link set dev eth0 up
# wait for eth0 to have a carrier
for i in $(seq 100); do ip link show dev peth0 | grep -q 'LOWER_UP.* state UP' && break; sleep 0.1; done
for i in $(seq 100); do ip link show dev eth0 | grep -q 'LOWER_UP.* state UP' && break; sleep 0.1; done
# give eth0 the IPv6 addresses
ip addr add fe80::216:3eff:fe00:1/64 dev eth0 noprefixroute nodad
ip addr add 2001:db8::2/64 dev eth0 noprefixroute nodad
# make the routes on eth0
ip route del 192.168.0.0/24 dev eth0 proto kernel scope link src 192.168.0.2
ip route del 192.168.0.0/24 dev peth0 proto kernel scope link src 192.168.0.2
ip route del 192.168.0.0/24 dev eth0 proto kernel scope link src 192.168.0.2
ip route prepend 192.168.0.0/24 dev eth0 proto kernel src 192.168.0.2
ip addr replace fe80::216:3eff:fe00:1/64 dev eth0
ip addr replace 2001:db8::2/64 dev eth0
ip route del default via 192.168.0.1 dev peth0 proto boot
ip route del default via 192.168.0.1 dev eth0 proto boot
ip route prepend default via 192.168.0.1 dev eth0
ip -6 route prepend default via 2001:db8::1 dev eth0 metric 1024
# let IPv6 on eth0 go on as before
ip link set dev eth0 addrgenmode eui64
