# $ xbr-script stop
# In short: all of this, or nothing.
#   NIC        peth0 becomes eth0 again, and leaves the bridge xenbr0
#   dom0       the NIC gets back 5 addresses and 13 routes from dom0's
#              interface, which goes
#   asked      fe80::1, fe80::7, fe80::2: if some answer before, and none of
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
ip link set dev eth0 address 00:16:3e:00:00:01
bridge fdb replace 00:16:3e:00:00:01 dev vif0.0 master static
ip link set dev eth0 arp on multicast on allmulticast off promisc off up
ip link set dev eth0 addrgenmode none
sysctl -qw /net/ipv6/conf/eth0/disable_ipv6=0
sysctl -qw /net/ipv6/conf/eth0/force_mld_version=0
ip addr add 192.0.2.2/24 broadcast 192.0.2.255 dev eth0
ip addr add fe80::216:3eff:fe00:1/64 dev eth0 noprefixroute nodad
ip addr add 2001:db8:1::2/64 dev eth0 noprefixroute nodad
ip addr add 2001:db8:1:0:216:3eff:fe00:1/64 dev eth0 valid_lft 3599 preferred_lft 1799 noprefixroute nodad
ip addr add 2001:db8:2:0:216:3eff:fe00:1/64 dev eth0 valid_lft 4294967294 preferred_lft 4294967294 noprefixroute nodad
ip neigh replace fe80::1 lladdr 02:ff:00:00:00:01 dev eth0 nud stale router
ip neigh replace fe80::2 lladdr 02:ff:00:00:00:02 dev eth0 nud stale router
# switch the routes from veth0 to eth0
ip route del 192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.2
ip route replace 192.0.2.0/24 dev eth0 proto kernel src 192.0.2.2
ip addr replace fe80::216:3eff:fe00:1/64 dev eth0
ip addr replace 2001:db8:1::2/64 dev eth0
ip addr replace 2001:db8:1:0:216:3eff:fe00:1/64 dev eth0 valid_lft 3599 preferred_lft 1799 mngtmpaddr
ip addr replace 2001:db8:2:0:216:3eff:fe00:1/64 dev eth0 valid_lft 4294967294 preferred_lft 4294967294 mngtmpaddr
ip -6 route del 2001:db8:1::/64 dev veth0 proto kernel metric 256
ip -6 route del 2001:db8:2::/64 dev eth0 metric 256
ip -6 route prepend 2001:db8:2::/64 dev eth0 proto kernel metric 256   # stands in until the next router advertisement: the right one is the kernel's own, which no command can make
ip -6 route del 2001:db8:2::/64 dev veth0 metric 256
ip -6 route prepend 2001:db8:3::/64 dev eth0 proto kernel metric 256 expires 3599   # stands in until the next router advertisement: the right one is the kernel's own, which no command can make
ip -6 route del 2001:db8:3::/64 dev veth0 metric 256 expires 3599
ip -6 route del fe80::/64 dev veth0 proto kernel metric 256
ip -6 route prepend default via fe80::1 dev eth0 table 100 proto ra metric 1024
ip -6 route del default via fe80::1 dev veth0 table 100 proto ra metric 1024
ip -6 route replace 2001:db8:77::/48 via fe80::1 dev eth0 metric 1024
ip -6 route prepend 2001:db8:8000::/48 via fe80::1 dev eth0 proto ra metric 1025 pref high expires 1799   # stands in until the next router advertisement: the right one has the metric before and is the kernel's own, which no command can make
ip -6 route del 2001:db8:8000::/48 via fe80::1 dev veth0 metric 1024 pref high expires 1799
ip -6 route prepend 2001:db8:9000::/48 via fe80::1 dev eth0 proto ra metric 1025 pref low   # stands in until the next router advertisement: the right one has the metric before and is the kernel's own, which no command can make
ip -6 route del 2001:db8:9000::/48 via fe80::1 dev veth0 metric 1024 pref low
ip -6 route prepend default via fe80::7 dev eth0 proto ra metric 100 expires 899
ip -6 route del default via fe80::7 dev veth0 proto ra metric 100 expires 899
ip -6 route prepend default via fe80::1 dev eth0 proto ra metric 1025 expires 1799   # stands in until the next router advertisement: the right one has the metric before and is the kernel's own, which no command can make
ip -6 route del default via fe80::1 dev veth0 metric 1024 expires 1799
ip -6 route prepend default via fe80::2 dev eth0 proto ra metric 1025 pref low expires 899   # stands in until the next router advertisement: the right one has the metric before and is the kernel's own, which no command can make
ip -6 route del default via fe80::2 dev veth0 metric 1024 pref low expires 899
ip -6 route replace default via fe80::1 dev eth0 metric 2000
# take the neighbours off veth0
ip neigh del fe80::2 dev veth0
ip neigh del fe80::1 dev veth0
# take eth0 out of xenbr0
ip link set dev eth0 nomaster
bridge fdb del 00:16:3e:00:00:01 dev vif0.0 master
# let IPv6 on eth0 go on as before
ip link set dev eth0 addrgenmode eui64
sysctl -qw /net/ipv6/conf/eth0/mtu=1480
# delete veth0 with vif0.0, xenbr0
ip link set dev veth0 group 80458301
ip link set dev xenbr0 group 80458301
ip link del group 80458301
