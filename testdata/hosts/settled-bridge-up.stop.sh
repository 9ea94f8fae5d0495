# $ xbr-script stop
# In short: all of this, or nothing.
#   NIC        peth0 becomes eth0 again, and leaves the bridge xenbr0
#   dom0       the NIC gets back 2 addresses and 3 routes from the bridge
#   guests     vif1.0, vif2.0, vif3.0, vif4.0-emu are taken out, and come back
#              with the next start
#   asked      192.168.0.1: if some answer before, and none of these afterwards,
#              all is put back
#   link       stays on all the while
#
# detach the guests' ports from xenbr0
ip link set dev vif1.0 nomaster
ip link set dev vif2.0 nomaster
ip link set dev vif3.0 nomaster
ip link set dev vif4.0-emu nomaster
ip link set dev eth9 nomaster
# rename peth0 to eth0
ip link set dev peth0 name eth0
# hush IPv6 on xenbr0
ip link set dev xenbr0 addrgenmode none
sysctl -qw /net/ipv6/conf/xenbr0/disable_ipv6=0
# give eth0 its address and what dom0 has
ip link set dev eth0 arp on multicast on allmulticast off promisc off up
ip link set dev eth0 addrgenmode none
sysctl -qw /net/ipv6/conf/eth0/disable_ipv6=0
sysctl -qw /net/ipv6/conf/eth0/force_mld_version=0
ip addr add 192.168.0.20/24 broadcast 192.168.0.255 dev eth0
ip addr add fe80::216:3eff:fe00:1/64 dev eth0 noprefixroute nodad
# switch the routes from xenbr0 to eth0
ip route del 192.168.0.0/24 dev eth0 proto kernel scope link src 192.168.0.20
ip route replace 192.168.0.0/24 dev eth0 proto kernel src 192.168.0.20
ip addr replace fe80::216:3eff:fe00:1/64 dev eth0
ip -6 route del fe80::/64 dev xenbr0 proto kernel metric 256
ip route replace default via 192.168.0.1 dev eth0
# take eth0 out of xenbr0
ip link set dev eth0 nomaster
# let IPv6 on eth0 go on as before
ip link set dev eth0 addrgenmode eui64
# delete xenbr0
ip link del dev xenbr0
