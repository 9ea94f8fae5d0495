# $ xbr-script stop vifnum=1 netdev=dummy0
# In short: all of this, or nothing.
#   NIC        pdummy0 becomes dummy0 again, and leaves the bridge xenbr1
#   dom0       the NIC gets back 1 address and 1 route from dom0's interface,
#              which goes
#   asked      nobody, so it is not found out whether the network still works
#   link       stays on all the while
#
# no longer show iptables the packets that cross xenbr1
ip link set dev xenbr1 type bridge nf_call_iptables 0 nf_call_ip6tables 0
# no longer pin frames for dom0 (00:16:3e:00:00:09) to vif0.1
bridge fdb replace 00:16:3e:00:00:09 dev vif0.1 master static
# no longer guard xenbr1 against forged IPv4 addresses
iptables -t raw -D PREROUTING -i xenbr1 -j XBR-xenbr1
iptables -t raw -F XBR-xenbr1
iptables -t raw -X XBR-xenbr1
iptables -D FORWARD -i xenbr1 -j XBR-xenbr1
iptables -D INPUT -i xenbr1 -j XBR-xenbr1
iptables -F XBR-xenbr1
iptables -X XBR-xenbr1
# no longer guard xenbr1 against forged IPv6 addresses
ip6tables -t raw -D PREROUTING -i xenbr1 -j XBR-xenbr1
ip6tables -t raw -F XBR-xenbr1
ip6tables -t raw -X XBR-xenbr1
ip6tables -D FORWARD -i xenbr1 -j XBR-xenbr1
ip6tables -D INPUT -i xenbr1 -j XBR-xenbr1
ip6tables -F XBR-xenbr1
ip6tables -X XBR-xenbr1
# rename dummy0 to veth1
ip link set dev dummy0 name veth1
# rename pdummy0 to dummy0
ip link set dev pdummy0 name dummy0
# hush IPv6 on veth1
ip link set dev veth1 addrgenmode none
sysctl -qw /net/ipv6/conf/veth1/disable_ipv6=0
# give dummy0 its address and what dom0 has
bridge fdb replace 00:16:3e:00:00:09 dev vif0.1 master static
ip link set dev dummy0 arp off multicast off allmulticast off promisc off up
ip link set dev dummy0 addrgenmode none
sysctl -qw /net/ipv6/conf/dummy0/disable_ipv6=0
sysctl -qw /net/ipv6/conf/dummy0/force_mld_version=0
ip addr add fe80::216:3eff:fe00:9/64 dev dummy0 noprefixroute nodad
# switch the routes from veth1 to dummy0
ip addr replace fe80::216:3eff:fe00:9/64 dev dummy0
ip -6 route del fe80::/64 dev veth1 proto kernel metric 256
# take dummy0 out of xenbr1
ip link set dev dummy0 nomaster
bridge fdb del 00:16:3e:00:00:09 dev vif0.1 master
# let IPv6 on dummy0 go on as before
ip link set dev dummy0 addrgenmode eui64
# delete veth1 with vif0.1, xenbr1
ip link set dev veth1 group 1569782559
ip link set dev xenbr1 group 1569782559
ip link del group 1569782559
