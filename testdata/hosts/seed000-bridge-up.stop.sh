# $ xbr-script stop
# In short: all of this, or nothing.
#   NIC        pdummy0 becomes dummy0 again, and leaves the bridge dummy0
#   dom0       the NIC gets back 1 address and 1 route from the bridge
#   NIC        peth0 becomes eth0 again, and leaves the bridge eth0
#   dom0       the NIC gets back 2 addresses and 3 routes from the bridge
#   asked      192.168.0.1: if some answer before, and none of these afterwards,
#              all is put back
#   link       stays on all the while
#
# no longer show iptables the packets that cross dummy0
ip link set dev dummy0 type bridge nf_call_iptables 0 nf_call_ip6tables 0
# no longer guard dummy0 against forged IPv4 addresses
iptables -t raw -D PREROUTING -i dummy0 -j XBR-dummy0
iptables -t raw -F XBR-dummy0
iptables -t raw -X XBR-dummy0
iptables -D FORWARD -i dummy0 -j XBR-dummy0
iptables -F XBR-dummy0
iptables -X XBR-dummy0
# no longer guard dummy0 against forged IPv6 addresses
ip6tables -t raw -D PREROUTING -i dummy0 -j XBR-dummy0
ip6tables -t raw -F XBR-dummy0
ip6tables -t raw -X XBR-dummy0
ip6tables -D FORWARD -i dummy0 -j XBR-dummy0
ip6tables -F XBR-dummy0
ip6tables -X XBR-dummy0
# no longer show iptables the packets that cross eth0
ip link set dev eth0 type bridge nf_call_iptables 0 nf_call_ip6tables 0
# no longer guard eth0 against forged IPv4 addresses
iptables -t raw -D PREROUTING -i eth0 -j XBR-eth0
iptables -t raw -F XBR-eth0
iptables -t raw -X XBR-eth0
iptables -D FORWARD -i eth0 -j XBR-eth0
iptables -F XBR-eth0
iptables -X XBR-eth0
# no longer guard eth0 against forged IPv6 addresses
ip6tables -t raw -D PREROUTING -i eth0 -j XBR-eth0
ip6tables -t raw -F XBR-eth0
ip6tables -t raw -X XBR-eth0
ip6tables -D FORWARD -i eth0 -j XBR-eth0
ip6tables -F XBR-eth0
ip6tables -X XBR-eth0
# remove the tables that were not there before
iptables -t raw -S | grep -qv '^-P .* ACCEPT$' || nft delete table ip raw || true
iptables -t filter -S | grep -qv '^-P .* ACCEPT$' || nft delete table ip filter || true
ip6tables -t raw -S | grep -qv '^-P .* ACCEPT$' || nft delete table ip6 raw || true
ip6tables -t filter -S | grep -qv '^-P .* ACCEPT$' || nft delete table ip6 filter || true
# rename dummy0 to bdummy0
ip link set dev dummy0 name bdummy0
# rename pdummy0 to dummy0
ip link set dev pdummy0 name dummy0
# hush IPv6 on bdummy0
ip link set dev bdummy0 addrgenmode none
sysctl -qw /net/ipv6/conf/bdummy0/disable_ipv6=0
# give dummy0 its address and what dom0 has
ip link set dev dummy0 arp off multicast off allmulticast off promisc off up
ip link set dev dummy0 addrgenmode none
sysctl -qw /net/ipv6/conf/dummy0/disable_ipv6=0
sysctl -qw /net/ipv6/conf/dummy0/force_mld_version=0
ip addr add fe80::216:3eff:fe00:9/64 dev dummy0 noprefixroute nodad
# switch the routes from bdummy0 to dummy0
ip addr replace fe80::216:3eff:fe00:9/64 dev dummy0
ip -6 route del fe80::/64 dev bdummy0 proto kernel metric 256
# take dummy0 out of dummy0
ip link set dev dummy0 nomaster
# let IPv6 on dummy0 go on as before
ip link set dev dummy0 addrgenmode eui64
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
ip addr add 192.168.0.20/24 broadcast 192.168.0.255 dev eth0
ip addr add fe80::216:3eff:fe00:1/64 dev eth0 noprefixroute nodad
# switch the routes from beth0 to eth0
ip route del 192.168.0.0/24 dev eth0 proto kernel scope link src 192.168.0.20
ip route replace 192.168.0.0/24 dev eth0 proto kernel src 192.168.0.20
ip addr replace fe80::216:3eff:fe00:1/64 dev eth0
ip -6 route del fe80::/64 dev beth0 proto kernel metric 256
ip route replace default via 192.168.0.1 dev eth0
# take eth0 out of eth0
ip link set dev eth0 nomaster
# let IPv6 on eth0 go on as before
ip link set dev eth0 addrgenmode eui64
# delete bdummy0, beth0
ip link set dev bdummy0 group 482578107
ip link set dev beth0 group 482578107
ip link del group 482578107
