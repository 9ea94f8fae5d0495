# $ xbr-script stop
# In short: all of this, or nothing.
#   NIC        peth0 becomes eth0 again, and leaves the bridge xenbr0
#   dom0       the NIC gets back 3 addresses and 5 routes from dom0's interface,
#              which goes
#   asked      192.168.0.1, 2001:db8::1: if some answer before, and none of
#              these afterwards, all is put back
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
# remove the tables that were not there before
iptables -t raw -S | grep -qv '^-P .* ACCEPT$' || nft delete table ip raw || true
ip6tables -t raw -S | grep -qv '^-P .* ACCEPT$' || nft delete table ip6 raw || true
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
# put ip_forward back to 0
sysctl -qw /net/ipv4/ip_forward=0
sysctl -qw /net/ipv4/conf/all/accept_redirects=1
sysctl -qw /net/ipv4/conf/lan0/forwarding=1
# delete veth0 with vif0.0, xenbr0
ip link set dev veth0 group 407642722
ip link set dev xenbr0 group 407642722
ip link del group 407642722
