# $ xbr-script stop
# In short: all of this, or nothing.
#   NIC        peth0 becomes eth0 again, and leaves the bridge xenbr0
#   dom0       the NIC gets back 2 addresses and 3 routes from dom0's interface,
#              which goes
#   NIC        pdummy0 becomes dummy0 again, and leaves the bridge xenbr1
#   dom0       the NIC gets back 1 address and 1 route from dom0's interface,
#              which goes
#   asked      192.168.0.1: if some answer before, and none of these afterwards,
#              all is put back
#   link       stays on all the while
#
# no longer show iptables the packets that cross xenbr0
ip link set dev xenbr0 type bridge nf_call_iptables 0 nf_call_ip6tables 0
# no longer pin frames for dom0 (00:16:3e:00:00:01) to vif0.0
bridge fdb replace 00:16:3e:00:00:01 dev vif0.0 master static
# no longer guard xenbr0 against forged IPv4 addresses
iptables -t raw -D PREROUTING -i xenbr0 -j XBR-xenbr0
iptables -t raw -F XBR-xenbr0
iptables -t raw -X XBR-xenbr0
iptables -D FORWARD -i xenbr0 -j XBR-xenbr0
iptables -D INPUT -i xenbr0 -j XBR-xenbr0
iptables -F XBR-xenbr0
iptables -X XBR-xenbr0
# no longer guard xenbr0 against forged IPv6 addresses
ip6tables -t raw -D PREROUTING -i xenbr0 -j XBR-xenbr0
ip6tables -t raw -F XBR-xenbr0
ip6tables -t raw -X XBR-xenbr0
ip6tables -D FORWARD -i xenbr0 -j XBR-xenbr0
ip6tables -D INPUT -i xenbr0 -j XBR-xenbr0
ip6tables -F XBR-xenbr0
ip6tables -X XBR-xenbr0
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
# remove the tables that were not there before
iptables -t raw -S | grep -qv '^-P .* ACCEPT$' || nft delete table ip raw || true
iptables -t filter -S | grep -qv '^-P .* ACCEPT$' || nft delete table ip filter || true
ip6tables -t raw -S | grep -qv '^-P .* ACCEPT$' || nft delete table ip6 raw || true
ip6tables -t filter -S | grep -qv '^-P .* ACCEPT$' || nft delete table ip6 filter || true
# rename eth0 to veth0
ip link set dev eth0 name veth0
# rename peth0 to eth0
ip link set dev peth0 name eth0
# hush IPv6 on veth0
ip link set dev veth0 addrgenmode none
sysctl -qw /net/ipv6/conf/veth0/disable_ipv6=0
# give eth0 its address and what dom0 has
ip link set dev eth0 address 00:16:3e:00:00:01
bridge fdb replace 00:16:3e:00:00:01 dev vif0.0 master static
ip link set dev eth0 arp on multicast on allmulticast off promisc off up
ip link set dev eth0 addrgenmode none
sysctl -qw /net/ipv6/conf/eth0/disable_ipv6=0
sysctl -qw /net/ipv6/conf/eth0/force_mld_version=0
ip addr add 192.168.0.20/24 broadcast 192.168.0.255 dev eth0
ip addr add fe80::216:3eff:fe00:1/64 dev eth0 noprefixroute nodad
# switch the routes from veth0 to eth0
ip route del 192.168.0.0/24 dev eth0 proto kernel scope link src 192.168.0.20
ip route replace 192.168.0.0/24 dev eth0 proto kernel src 192.168.0.20
ip addr replace fe80::216:3eff:fe00:1/64 dev eth0
ip -6 route del fe80::/64 dev veth0 proto kernel metric 256
ip route replace default via 192.168.0.1 dev eth0
# take eth0 out of xenbr0
ip link set dev eth0 nomaster
bridge fdb del 00:16:3e:00:00:01 dev vif0.0 master
# let IPv6 on eth0 go on as before
ip link set dev eth0 addrgenmode eui64
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
# delete veth0 with vif0.0, xenbr0, veth1 with vif0.1, xenbr1
ip link set dev veth0 group 1569782559
ip link set dev xenbr0 group 1569782559
ip link set dev veth1 group 1569782559
ip link set dev xenbr1 group 1569782559
ip link del group 1569782559
