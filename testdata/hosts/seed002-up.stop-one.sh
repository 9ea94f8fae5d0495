# $ xbr-script stop bridge=xenbr1
# In short: all of this, or nothing.
#   NIC        peth1 becomes eth1 again, and leaves the bridge xenbr1
#   dom0       the NIC gets back 1 address and 1 route from dom0's interface,
#              which goes
#   asked      nobody, so it is not found out whether the network still works
#   link       stays on all the while
#
# rename eth1 to veth1
ip link set dev eth1 name veth1
# rename peth1 to eth1
ip link set dev peth1 name eth1
# hush IPv6 on veth1
ip link set dev veth1 addrgenmode none
sysctl -qw /net/ipv6/conf/veth1/disable_ipv6=0
# give eth1 its address and what dom0 has
ip link set dev eth1 address 00:16:3e:00:00:02
bridge fdb replace 00:16:3e:00:00:02 dev vif0.1 master static
ip link set dev eth1 arp on multicast on allmulticast off promisc off up
ip link set dev eth1 addrgenmode none
sysctl -qw /net/ipv6/conf/eth1/disable_ipv6=0
sysctl -qw /net/ipv6/conf/eth1/force_mld_version=0
ip addr add fe80::216:3eff:fe00:2/64 dev eth1 noprefixroute nodad
# switch the routes from veth1 to eth1
ip addr replace fe80::216:3eff:fe00:2/64 dev eth1
ip -6 route del fe80::/64 dev veth1 proto kernel metric 256
# take eth1 out of xenbr1
ip link set dev eth1 nomaster
bridge fdb del 00:16:3e:00:00:02 dev vif0.1 master
# let IPv6 on eth1 go on as before
ip link set dev eth1 addrgenmode eui64
# delete veth1 with vif0.1, xenbr1
ip link set dev veth1 group 495005570
ip link set dev xenbr1 group 495005570
ip link del group 495005570
