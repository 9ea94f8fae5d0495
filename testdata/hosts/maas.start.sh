# $ xbr-script start netdev=eno1
# In short: all of this, or nothing.
#   NIC        eno1 becomes peno1, a port of the bridge xenbr1
#   dom0       its own eno1, with the port vif0.1, gets 2 addresses and 3 routes
#   configured by systemd-networkd, 10-netplan-eno1.network, by a drop-in
#   asked      192.0.2.1: if some answer before, and none of these afterwards,
#              all is put back
#   link       stays on all the while
#
# hold systemd-networkd still
systemctl stop systemd-networkd-persistent-storage.service
systemctl freeze systemd-networkd.service
# have udev leave peno1 and the bridge as they are
udevadm settle --timeout=5
mkdir -p /run/systemd/network
printf '%s\n' '# Left as it is while it is in use by xbr-script' '[Match]' 'OriginalName=eno1 peno1 veth1 vif0.1 xenbr1' '' '[Link]' >/run/systemd/network/0-xbr-script-peno1.link
mkdir -p /run/udev/rules.d
printf '%s\n' 'SUBSYSTEM=="net", KERNEL=="eno1|peno1|veth1|vif0.1|xenbr1", NAME="$kernel"' 'SUBSYSTEM=="net", KERNEL=="peno1", ENV{NM_UNMANAGED}="1"' >/run/udev/rules.d/99-xbr-script-peno1.rules
udevadm control --reload --timeout=10
# create the bridge xenbr1
ip link add name xenbr1 index 4 address fe:ff:ff:ff:ff:ff mtu 1501 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
ip link set dev xenbr1 mtu 1500 arp off multicast off addrgenmode none
sysctl -qw /net/ipv6/conf/xenbr1/disable_ipv6=1
ip link set dev xenbr1 up
# create veth1 and vif0.1, dom0's port in xenbr1
ip link add name veth1 index 5 address 52:54:00:12:00:01 mtu 1500 txqueuelen 1000 type veth peer name vif0.1 index 6 address fe:ff:ff:ff:ff:ff mtu 1500
ip link set dev vif0.1 master xenbr1 arp off multicast off addrgenmode none
ip link set dev veth1 group 0 arp on multicast on allmulticast off promisc off addrgenmode none
sysctl -qw /net/ipv6/conf/vif0.1/disable_ipv6=1
sysctl -qw /net/ipv4/neigh/veth1/anycast_delay=100
sysctl -qw /net/ipv4/neigh/veth1/app_solicit=0
sysctl -qw /net/ipv4/neigh/veth1/base_reachable_time_ms=30000
sysctl -qw /net/ipv4/neigh/veth1/delay_first_probe_time=5
sysctl -qw /net/ipv4/neigh/veth1/gc_stale_time=60
sysctl -qw /net/ipv4/neigh/veth1/interval_probe_time_ms=5000
sysctl -qw /net/ipv4/neigh/veth1/locktime=100
sysctl -qw /net/ipv4/neigh/veth1/mcast_resolicit=0
sysctl -qw /net/ipv4/neigh/veth1/mcast_solicit=3
sysctl -qw /net/ipv4/neigh/veth1/proxy_delay=80
sysctl -qw /net/ipv4/neigh/veth1/proxy_qlen=64
sysctl -qw /net/ipv4/neigh/veth1/retrans_time_ms=1000
sysctl -qw /net/ipv4/neigh/veth1/ucast_solicit=3
sysctl -qw /net/ipv4/neigh/veth1/unres_qlen_bytes=212992
sysctl -qw /net/ipv6/neigh/veth1/anycast_delay=100
sysctl -qw /net/ipv6/neigh/veth1/app_solicit=0
sysctl -qw /net/ipv6/neigh/veth1/base_reachable_time_ms=30000
sysctl -qw /net/ipv6/neigh/veth1/delay_first_probe_time=5
sysctl -qw /net/ipv6/neigh/veth1/gc_stale_time=60
sysctl -qw /net/ipv6/neigh/veth1/interval_probe_time_ms=5000
sysctl -qw /net/ipv6/neigh/veth1/locktime=0
sysctl -qw /net/ipv6/neigh/veth1/mcast_resolicit=0
sysctl -qw /net/ipv6/neigh/veth1/mcast_solicit=3
sysctl -qw /net/ipv6/neigh/veth1/proxy_delay=80
sysctl -qw /net/ipv6/neigh/veth1/proxy_qlen=64
sysctl -qw /net/ipv6/neigh/veth1/retrans_time_ms=1000
sysctl -qw /net/ipv6/neigh/veth1/ucast_solicit=3
sysctl -qw /net/ipv6/neigh/veth1/unres_qlen_bytes=212992
ip link set dev vif0.1 up
ip link set dev veth1 addrgenmode none
ip link set dev veth1 up
# wait for vif0.1 to forward
until bridge link show dev vif0.1 | grep -q 'state forwarding'; do sleep 0.01; done
# rename eno1 to peno1
ip link set dev eno1 name peno1
# rename veth1 to eno1
ip link set dev veth1 name eno1
# give eno1 the addresses
ip addr add 192.0.2.20/24 broadcast 192.0.2.255 dev eno1
ip addr add fe80::5054:ff:fe12:1/64 dev eno1 noprefixroute nodad
# let peno1 make no more IPv6 addresses
ip link set dev peno1 addrgenmode none
# make peno1 a port of xenbr1
ip link set dev peno1 master xenbr1
bridge fdb replace 52:54:00:12:00:01 dev vif0.1 master static
# switch the routes from peno1 to eno1
ip route del 192.0.2.0/24 dev eno1 proto kernel scope link src 192.0.2.20
ip route replace 192.0.2.0/24 dev eno1 proto kernel src 192.0.2.20
ip addr replace fe80::5054:ff:fe12:1/64 dev eno1
ip -6 route del fe80::/64 dev peno1 proto kernel metric 256
ip route replace default via 192.0.2.1 dev eno1 proto static
# let IPv6 on eno1 go on as before
ip link set dev eno1 addrgenmode eui64
# take the addresses off peno1
ip addr del 192.0.2.20/24 dev peno1
sysctl -qw /net/ipv6/conf/peno1/force_mld_version=1
sysctl -qw /net/ipv6/conf/peno1/disable_ipv6=1
sysctl -qw /net/ipv6/conf/peno1/force_mld_version=0
ip link set dev peno1 arp off multicast off allmulticast off promisc off up
ip link set dev peno1 address fe:ff:ff:ff:ff:ff || true
# have udev look after what is called eno1 as ever
udevadm settle --timeout=5
mkdir -p /run/systemd/network
printf '%s\n' '# Left as it is while it is in use by xbr-script' '[Match]' 'OriginalName=peno1 veth1 vif0.1 xenbr1' '' '[Link]' >/run/systemd/network/0-xbr-script-peno1.link
mkdir -p /run/udev/rules.d
printf '%s\n' 'SUBSYSTEM=="net", KERNEL=="peno1|veth1|vif0.1|xenbr1", NAME="$kernel"' 'SUBSYSTEM=="net", KERNEL=="peno1", ENV{NM_UNMANAGED}="1"' >/run/udev/rules.d/99-xbr-script-peno1.rules
udevadm control --reload --timeout=10
# give systemd-networkd the files for dom0's interface
mkdir -p /run/systemd/network/10-netplan-eno1.network.d
printf '%s\n' '# By its name, as long as eno1 is the port peno1 of a bridge (xbr-script)' '[Match]' Name= PermanentMACAddress= Name=eno1 >/run/systemd/network/10-netplan-eno1.network.d/xbr-script-eno1.conf
chmod 640 /run/systemd/network/10-netplan-eno1.network.d/xbr-script-eno1.conf
chgrp 998 /run/systemd/network/10-netplan-eno1.network.d/xbr-script-eno1.conf
mkdir -p /run/systemd/network
printf '%s\n' '# Left alone, as long as eno1 is the port peno1 of a bridge (xbr-script)' '[Match]' 'Name=peno1 vif0.1 xenbr1' '' '[Link]' Unmanaged=yes >/run/systemd/network/0-xbr-script-peno1.network
chmod 644 /run/systemd/network/0-xbr-script-peno1.network
chgrp 0 /run/systemd/network/0-xbr-script-peno1.network
# have systemd-networkd follow
systemctl kill --kill-who=main --signal=STOP systemd-networkd.service
systemctl thaw systemd-networkd.service
systemctl stop 'systemd-networkd*.socket'
rm -f /run/systemd/netif/links/*
systemctl kill --kill-who=main --signal=KILL systemd-networkd.service
systemctl start systemd-networkd.service
