# $ xbr-script stop
# In short: all of this, or nothing.
#   NIC        peth0 becomes eth0 again, and leaves the bridge xenbr0
#   dom0       the NIC gets back 5 addresses and 13 routes from dom0's
#              interface, which goes
#   asked      fe80::1, fe80::7, fe80::2: if some answer before, and none of
#              these afterwards, all is put back
#   link       goes off while the NIC is renamed; it is waited for, 10 s at
#              most, and dom0 has no network until it is back
#
# switch eth0 off, which this kernel needs to rename it
ip link set dev eth0 down
# rename eth0 to veth0
ip link set dev eth0 name veth0
# take peth0 out of xenbr0
ip link set dev peth0 down
ip link set dev peth0 address 00:16:3e:00:00:01
bridge fdb del 00:16:3e:00:00:01 dev vif0.0 master
ip link set dev peth0 nomaster arp on multicast on allmulticast off promisc off
ip link set dev peth0 addrgenmode none
sysctl -qw /net/ipv6/conf/peth0/disable_ipv6=0
# rename peth0 to eth0
ip link set dev peth0 name eth0
# switch eth0 on
ip link set dev eth0 addrgenmode none
sysctl -qw /net/ipv6/conf/eth0/disable_ipv6=0
ip link set dev eth0 up
for i in $(seq 100); do ip link show dev eth0 | grep -q 'LOWER_UP.* state UP' && break; sleep 0.1; done
# give eth0 the addresses
ip addr add 192.0.2.2/24 broadcast 192.0.2.255 dev eth0
ip addr add fe80::216:3eff:fe00:1/64 dev eth0 noprefixroute nodad
ip addr add 2001:db8:1::2/64 dev eth0 noprefixroute nodad
ip addr add 2001:db8:1:0:216:3eff:fe00:1/64 dev eth0 valid_lft 3598 preferred_lft 1798 noprefixroute nodad
ip addr add 2001:db8:2:0:216:3eff:fe00:1/64 dev eth0 valid_lft 4294967294 preferred_lft 4294967294 noprefixroute nodad
# give eth0 the neighbours
ip neigh replace fe80::2 lladdr 02:ff:00:00:00:02 dev eth0 nud stale router
ip neigh replace fe80::1 lladdr 02:ff:00:00:00:01 dev eth0 nud stale router
# make the routes on eth0
ip route del 192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.2
ip route del 192.0.2.0/24 dev veth0 proto kernel scope link src 192.0.2.2
ip route del 192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.2
ip route prepend 192.0.2.0/24 dev eth0 proto kernel src 192.0.2.2
ip addr replace fe80::216:3eff:fe00:1/64 dev eth0
ip addr replace 2001:db8:1::2/64 dev eth0
ip addr replace 2001:db8:1:0:216:3eff:fe00:1/64 dev eth0 valid_lft 3598 preferred_lft 1798 mngtmpaddr
ip addr replace 2001:db8:2:0:216:3eff:fe00:1/64 dev eth0 valid_lft 4294967294 preferred_lft 4294967294 mngtmpaddr
ip -6 route del 2001:db8:2::/64 dev eth0 metric 256
ip -6 route prepend 2001:db8:2::/64 dev eth0 proto kernel metric 256   # stands in until the next router advertisement: the right one is the kernel's own, which no command can make
ip -6 route prepend 2001:db8:3::/64 dev eth0 proto kernel metric 256 expires 3598   # stands in until the next router advertisement: the right one is the kernel's own, which no command can make
ip -6 route prepend default via fe80::1 dev eth0 table 100 proto ra metric 1024
ip -6 route prepend 2001:db8:77::/48 via fe80::1 dev eth0 metric 1024
ip -6 route prepend 2001:db8:8000::/48 via fe80::1 dev eth0 proto ra metric 1025 pref high expires 1798   # stands in until the next router advertisement: the right one has the metric before and is the kernel's own, which no command can make
ip -6 route prepend 2001:db8:9000::/48 via fe80::1 dev eth0 proto ra metric 1025 pref low   # stands in until the next router advertisement: the right one has the metric before and is the kernel's own, which no command can make
ip -6 route prepend default via fe80::7 dev eth0 proto ra metric 100 expires 897
ip -6 route prepend default via fe80::1 dev eth0 proto ra metric 1025 expires 1798   # stands in until the next router advertisement: the right one has the metric before and is the kernel's own, which no command can make
ip -6 route prepend default via fe80::2 dev eth0 proto ra metric 1025 pref low expires 898   # stands in until the next router advertisement: the right one has the metric before and is the kernel's own, which no command can make
ip -6 route prepend default via fe80::1 dev eth0 metric 2000
# let IPv6 on eth0 go on as before
ip link set dev eth0 addrgenmode eui64
sysctl -qw /net/ipv6/conf/eth0/mtu=1480
# take the neighbours off veth0
ip neigh del fe80::1 dev veth0
ip neigh del fe80::2 dev veth0
# delete veth0 with vif0.0, xenbr0
ip link set dev veth0 group 78009195
ip link set dev xenbr0 group 78009195
ip link del group 78009195
