# $ xbr-script stop
# In short: all of this, or nothing.
#   NIC        peth0 becomes eth0 again, and leaves the bridge eth0
#   dom0       the NIC gets back 3 addresses and 5 routes from the bridge
#   asked      nobody, so it is not found out whether the network still works
#   link       stays on all the while
#
# rename eth0 to beth0
ip link set dev eth0 name beth0
# rename peth0 to eth0
ip link set dev peth0 name eth0
# hush IPv6 on beth0
ip link set dev beth0 addrgenmode none
sysctl -qw /net/ipv6/conf/beth0/disable_ipv6=0
# give eth0 its address and what dom0 has
ip link set dev eth0 arp on multicast on allmulticast off promisc off up
ip link set dev eth0 addrgenmode none
sysctl -qw /net/ipv6/conf/eth0/disable_ipv6=0
sysctl -qw /net/ipv6/conf/eth0/force_mld_version=0
ip addr add 192.168.0.2/24 broadcast 192.168.0.255 dev eth0
ip addr add fe80::216:3eff:fe00:1/64 dev eth0 noprefixroute nodad
ip addr add 2001:db8::2/64 dev eth0 noprefixroute nodad
# switch the routes from beth0 to eth0
ip route del 192.168.0.0/24 dev eth0 proto kernel scope link src 192.168.0.2
ip route replace 192.168.0.0/24 dev eth0 proto kernel src 192.168.0.2
ip addr replace fe80::216:3eff:fe00:1/64 dev eth0
ip addr replace 2001:db8::2/64 dev eth0
ip -6 route del 2001:db8::/64 dev beth0 proto kernel metric 256
ip -6 route del fe80::/64 dev beth0 proto kernel metric 256
ip route replace default via 192.168.0.1 dev eth0
ip -6 route replace default via 2001:db8::1 dev eth0 metric 1024
# let IPv6 on eth0 go on as before
ip link set dev eth0 addrgenmode eui64
# delete beth0
ip link del dev beth0
