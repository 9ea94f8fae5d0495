# $ xbr-script stop
# In short: all of this, or nothing.
#   NIC        peth0 becomes eth0 again, and leaves the bridge xenbr0
#   dom0       the NIC gets back 3 addresses and 5 routes from dom0's interface,
#              which goes
#   asked      192.168.0.1, 2001:db8::1: if some answer before, and none of
#              these afterwards, all is put back
#   link       stays on all the while
#
# rename eth0 to veth0
ip link set dev eth0 name veth0
# rename peth0 to eth0
ip link set dev peth0 name eth0
# hush IPv6 on veth0
ip link set dev veth0 addrgenmode none
sysctl -qw /net/ipv6/conf/veth0/disable_ipv6=0
# give eth0 its address and what dom0 has
bridge fdb del 00:16:3e:00:00:01 dev eth0 self || true
ip link set dev eth0 address 00:16:3e:00:00:01
bridge fdb replace 00:16:3e:00:00:01 dev vif0.0 master static
ip link set dev eth0 arp on multicast on allmulticast off promisc off up
ip link set dev eth0 addrgenmode none
sysctl -qw /net/ipv6/conf/eth0/disable_ipv6=0
sysctl -qw /net/ipv6/conf/eth0/force_mld_version=0
ip addr add 192.168.0.2/24 broadcast 192.168.0.255 dev eth0
ip addr add fe80::216:3eff:fe00:1/64 dev eth0 noprefixroute nodad
ip addr add 2001:db8::2/64 dev eth0 noprefixroute nodad
# switch the routes from veth0 to eth0
ip route del 192.168.0.0/24 dev eth0 proto kernel scope link src 192.168.0.2
ip route replace 192.168.0.0/24 dev eth0 proto kernel src 192.168.0.2
ip addr replace fe80::216:3eff:fe00:1/64 dev eth0
ip addr replace 2001:db8::2/64 dev eth0
ip -6 route del 2001:db8::/64 dev veth0 proto kernel metric 256
ip -6 route del fe80::/64 dev veth0 proto kernel metric 256
ip route replace default via 192.168.0.1 dev eth0
ip -6 route replace default via 2001:db8::1 dev eth0 metric 1024
# take eth0 out of xenbr0
ip link set dev eth0 nomaster
bridge fdb del 00:16:3e:00:00:01 dev vif0.0 master
# let IPv6 on eth0 go on as before
ip link set dev eth0 addrgenmode eui64
# delete veth0 with vif0.0, xenbr0
ip link set dev veth0 group 1120225705
ip link set dev xenbr0 group 1120225705
ip link del group 1120225705
