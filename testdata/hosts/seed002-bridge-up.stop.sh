# $ xbr-script stop
# In short: all of this, or nothing.
#   NIC        peth0 becomes eth0 again, and leaves the bridge eth0
#   dom0       the NIC gets back 2 addresses and 3 routes from the bridge
#   NIC        peth1 becomes eth1 again, and leaves the bridge eth1
#   dom0       the NIC gets back 1 address and 1 route from the bridge
#   NIC        peth2 becomes eth2 again, and leaves the bridge eth2
#   dom0       the NIC gets back 1 address and 1 route from the bridge
#   asked      10.23.1.254: if some answer before, and none of these afterwards,
#              all is put back
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
ip addr add 10.23.1.7/24 broadcast 10.23.1.255 dev eth0
ip addr add fe80::216:3eff:fe00:1/64 dev eth0 noprefixroute nodad
# switch the routes from beth0 to eth0
ip route del 10.23.1.0/24 dev eth0 proto kernel scope link src 10.23.1.7
ip route replace 10.23.1.0/24 dev eth0 proto kernel src 10.23.1.7
ip addr replace fe80::216:3eff:fe00:1/64 dev eth0
ip -6 route del fe80::/64 dev beth0 proto kernel metric 256
ip route replace default via 10.23.1.254 dev eth0
# take eth0 out of eth0
ip link set dev eth0 nomaster
# let IPv6 on eth0 go on as before
ip link set dev eth0 addrgenmode eui64
# rename eth1 to beth1
ip link set dev eth1 name beth1
# rename peth1 to eth1
ip link set dev peth1 name eth1
# hush IPv6 on beth1
ip link set dev beth1 addrgenmode none
sysctl -qw /net/ipv6/conf/beth1/disable_ipv6=0
# give eth1 its address and what dom0 has
ip link set dev eth1 arp on multicast on allmulticast off promisc off up
ip link set dev eth1 addrgenmode none
sysctl -qw /net/ipv6/conf/eth1/disable_ipv6=0
sysctl -qw /net/ipv6/conf/eth1/force_mld_version=0
ip addr add fe80::216:3eff:fe00:2/64 dev eth1 noprefixroute nodad
# switch the routes from beth1 to eth1
ip addr replace fe80::216:3eff:fe00:2/64 dev eth1
ip -6 route del fe80::/64 dev beth1 proto kernel metric 256
# take eth1 out of eth1
ip link set dev eth1 nomaster
# let IPv6 on eth1 go on as before
ip link set dev eth1 addrgenmode eui64
# rename eth2 to beth2
ip link set dev eth2 name beth2
# rename peth2 to eth2
ip link set dev peth2 name eth2
# hush IPv6 on beth2
ip link set dev beth2 addrgenmode none
sysctl -qw /net/ipv6/conf/beth2/disable_ipv6=0
# give eth2 its address and what dom0 has
ip link set dev eth2 arp on multicast on allmulticast off promisc off up
ip link set dev eth2 addrgenmode none
sysctl -qw /net/ipv6/conf/eth2/disable_ipv6=0
sysctl -qw /net/ipv6/conf/eth2/force_mld_version=0
ip addr add fe80::216:3eff:fe00:3/64 dev eth2 noprefixroute nodad
# switch the routes from beth2 to eth2
ip addr replace fe80::216:3eff:fe00:3/64 dev eth2
ip -6 route del fe80::/64 dev beth2 proto kernel metric 256
# take eth2 out of eth2
ip link set dev eth2 nomaster
# let IPv6 on eth2 go on as before
ip link set dev eth2 addrgenmode eui64
# delete beth0, beth1, beth2
ip link set dev beth0 group 372715578
ip link set dev beth1 group 372715578
ip link set dev beth2 group 372715578
ip link del group 372715578
