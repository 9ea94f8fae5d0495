# $ xbr-script start netdev=ens3
# In short: all of this, or nothing.
#   NIC        ens3 becomes pens3, a port of the bridge xenbr3
#   dom0       its own ens3, with the port vif0.3, gets 2 addresses and 5 routes
#   configured by systemd-networkd, 10-netplan-ens3.network, by a drop-in
#   asked      192.0.2.1: if some answer before, and none of these afterwards,
#              all is put back
#   link       stays on all the while
#
# hold systemd-networkd still
systemctl stop systemd-networkd-persistent-storage.service
systemctl freeze systemd-networkd.service
# have udev leave pens3 and the bridge as they are
udevadm settle --timeout=5
mkdir -p /run/systemd/network
printf '%s\n' '# Left as it is while it is in use by xbr-script' '[Match]' 'OriginalName=ens3 pens3 veth3 vif0.3 xenbr3' '' '[Link]' >/run/systemd/network/0-xbr-script-pens3.link
mkdir -p /run/udev/rules.d
printf '%s\n' 'SUBSYSTEM=="net", KERNEL=="ens3|pens3|veth3|vif0.3|xenbr3", NAME="$kernel"' 'SUBSYSTEM=="net", KERNEL=="pens3", ENV{NM_UNMANAGED}="1"' >/run/udev/rules.d/99-xbr-script-pens3.rules
udevadm control --reload --timeout=10
# create the bridge xenbr3
ip link add name xenbr3 index 4 address fe:ff:ff:ff:ff:ff mtu 1501 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
ip link set dev xenbr3 mtu 1500 arp off multicast off addrgenmode none
sysctl -qw /net/ipv6/conf/xenbr3/disable_ipv6=1
ip link set dev xenbr3 up
# create veth3 and vif0.3, dom0's port in xenbr3
ip link add name veth3 index 5 address 52:54:00:12:00:01 mtu 1500 txqueuelen 1000 type veth peer name vif0.3 index 6 address fe:ff:ff:ff:ff:ff mtu 1500
ip link set dev vif0.3 master xenbr3 arp off multicast off addrgenmode none
ip link set dev veth3 group 0 arp on multicast on allmulticast off promisc off addrgenmode none
sysctl -qw /net/ipv6/conf/vif0.3/disable_ipv6=1
sysctl -qw /net/ipv4/neigh/veth3/anycast_delay=100
sysctl -qw /net/ipv4/neigh/veth3/app_solicit=0
sysctl -qw /net/ipv4/neigh/veth3/base_reachable_time_ms=30000
sysctl -qw /net/ipv4/neigh/veth3/delay_first_probe_time=5
sysctl -qw /net/ipv4/neigh/veth3/gc_stale_time=60
sysctl -qw /net/ipv4/neigh/veth3/interval_probe_time_ms=5000
sysctl -qw /net/ipv4/neigh/veth3/locktime=100
sysctl -qw /net/ipv4/neigh/veth3/mcast_resolicit=0
sysctl -qw /net/ipv4/neigh/veth3/mcast_solicit=3
sysctl -qw /net/ipv4/neigh/veth3/proxy_delay=80
sysctl -qw /net/ipv4/neigh/veth3/proxy_qlen=64
sysctl -qw /net/ipv4/neigh/veth3/retrans_time_ms=1000
sysctl -qw /net/ipv4/neigh/veth3/ucast_solicit=3
sysctl -qw /net/ipv4/neigh/veth3/unres_qlen_bytes=212992
sysctl -qw /net/ipv6/neigh/veth3/anycast_delay=100
sysctl -qw /net/ipv6/neigh/veth3/app_solicit=0
sysctl -qw /net/ipv6/neigh/veth3/base_reachable_time_ms=30000
sysctl -qw /net/ipv6/neigh/veth3/delay_first_probe_time=5
sysctl -qw /net/ipv6/neigh/veth3/gc_stale_time=60
sysctl -qw /net/ipv6/neigh/veth3/interval_probe_time_ms=5000
sysctl -qw /net/ipv6/neigh/veth3/locktime=0
sysctl -qw /net/ipv6/neigh/veth3/mcast_resolicit=0
sysctl -qw /net/ipv6/neigh/veth3/mcast_solicit=3
sysctl -qw /net/ipv6/neigh/veth3/proxy_delay=80
sysctl -qw /net/ipv6/neigh/veth3/proxy_qlen=64
sysctl -qw /net/ipv6/neigh/veth3/retrans_time_ms=1000
sysctl -qw /net/ipv6/neigh/veth3/ucast_solicit=3
sysctl -qw /net/ipv6/neigh/veth3/unres_qlen_bytes=212992
ip link set dev vif0.3 up
ip link set dev veth3 addrgenmode none
ip link set dev veth3 up
# wait for vif0.3 to forward
until bridge link show dev vif0.3 | grep -q 'state forwarding'; do sleep 0.01; done
# rename ens3 to pens3
ip link set dev ens3 name pens3
# rename veth3 to ens3
ip link set dev veth3 name ens3
# give ens3 the addresses
ip addr add 192.0.2.100/24 broadcast 192.0.2.255 dev ens3 valid_lft 86400 preferred_lft 86400
ip addr add fe80::5054:ff:fe12:1/64 dev ens3 noprefixroute nodad
# let pens3 make no more IPv6 addresses
ip link set dev pens3 addrgenmode none
# make pens3 a port of xenbr3
ip link set dev pens3 master xenbr3
bridge fdb replace 52:54:00:12:00:01 dev vif0.3 master static
# switch the routes from pens3 to ens3
ip route replace 169.254.0.0/16 dev ens3 proto dhcp src 192.0.2.100 metric 100
ip route del 192.0.2.0/24 dev ens3 proto kernel scope link src 192.0.2.100
ip route replace 192.0.2.0/24 dev ens3 proto kernel src 192.0.2.100
ip route replace 192.0.2.1/32 dev ens3 proto dhcp src 192.0.2.100 metric 100
ip addr replace fe80::5054:ff:fe12:1/64 dev ens3
ip -6 route del fe80::/64 dev pens3 proto kernel metric 256
ip route replace default via 192.0.2.1 dev ens3 proto dhcp src 192.0.2.100 metric 100
# let IPv6 on ens3 go on as before
ip link set dev ens3 addrgenmode eui64
# take the addresses off pens3
ip addr del 192.0.2.100/24 dev pens3
sysctl -qw /net/ipv6/conf/pens3/force_mld_version=1
sysctl -qw /net/ipv6/conf/pens3/disable_ipv6=1
sysctl -qw /net/ipv6/conf/pens3/force_mld_version=0
ip link set dev pens3 arp off multicast off allmulticast off promisc off up
ip link set dev pens3 address fe:ff:ff:ff:ff:ff || true
# have udev look after what is called ens3 as ever
udevadm settle --timeout=5
mkdir -p /run/systemd/network
printf '%s\n' '# Left as it is while it is in use by xbr-script' '[Match]' 'OriginalName=pens3 veth3 vif0.3 xenbr3' '' '[Link]' >/run/systemd/network/0-xbr-script-pens3.link
mkdir -p /run/udev/rules.d
printf '%s\n' 'SUBSYSTEM=="net", KERNEL=="pens3|veth3|vif0.3|xenbr3", NAME="$kernel"' 'SUBSYSTEM=="net", KERNEL=="pens3", ENV{NM_UNMANAGED}="1"' >/run/udev/rules.d/99-xbr-script-pens3.rules
udevadm control --reload --timeout=10
# give systemd-networkd the files for dom0's interface
mkdir -p /run/systemd/network/10-netplan-ens3.network.d
printf '%s\n' '# By its name, as long as ens3 is the port pens3 of a bridge (xbr-script)' '[Match]' Name= PermanentMACAddress= Name=ens3 '[DHCPv4]' IAID=3055685611 >/run/systemd/network/10-netplan-ens3.network.d/xbr-script-ens3.conf
chmod 640 /run/systemd/network/10-netplan-ens3.network.d/xbr-script-ens3.conf
chgrp 998 /run/systemd/network/10-netplan-ens3.network.d/xbr-script-ens3.conf
mkdir -p /run/systemd/network
printf '%s\n' '# Left alone, as long as ens3 is the port pens3 of a bridge (xbr-script)' '[Match]' 'Name=pens3 vif0.3 xenbr3' '' '[Link]' Unmanaged=yes >/run/systemd/network/0-xbr-script-pens3.network
chmod 644 /run/systemd/network/0-xbr-script-pens3.network
chgrp 0 /run/systemd/network/0-xbr-script-pens3.network
# have systemd-networkd follow
systemctl kill --kill-who=main --signal=STOP systemd-networkd.service
systemctl thaw systemd-networkd.service
systemctl stop 'systemd-networkd*.socket'
rm -f /run/systemd/netif/links/*
systemctl kill --kill-who=main --signal=KILL systemd-networkd.service
systemctl start systemd-networkd.service
