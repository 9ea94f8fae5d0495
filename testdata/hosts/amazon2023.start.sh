# $ xbr-script start netdev=ens5
# In short: all of this, or nothing.
#   NIC        ens5 becomes pens5, a port of the bridge xenbr5
#   dom0       its own ens5, with the port vif0.5, gets 2 addresses and 4 routes
#   configured by systemd-networkd, 70-ens5.network, by a drop-in
#   asked      192.0.2.1: if some answer before, and none of these afterwards,
#              all is put back
#   link       stays on all the while
#
# hold systemd-networkd still
systemctl stop systemd-networkd-persistent-storage.service
systemctl freeze systemd-networkd.service
# have udev leave pens5 and the bridge as they are
udevadm settle --timeout=5
mkdir -p /run/systemd/network
printf '%s\n' '# Left as it is while it is in use by xbr-script' '[Match]' 'OriginalName=ens5 pens5 veth5 vif0.5 xenbr5' '' '[Link]' >/run/systemd/network/0-xbr-script-pens5.link
mkdir -p /run/udev/rules.d
printf '%s\n' 'SUBSYSTEM=="net", KERNEL=="ens5|pens5|veth5|vif0.5|xenbr5", NAME="$kernel"' 'SUBSYSTEM=="net", KERNEL=="pens5", ENV{NM_UNMANAGED}="1"' >/run/udev/rules.d/99-xbr-script-pens5.rules
udevadm control --reload --timeout=10
# create the bridge xenbr5
ip link add name xenbr5 index 4 address fe:ff:ff:ff:ff:ff mtu 1501 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
ip link set dev xenbr5 mtu 1500 arp off multicast off addrgenmode none
sysctl -qw /net/ipv6/conf/xenbr5/disable_ipv6=1
ip link set dev xenbr5 up
# create veth5 and vif0.5, dom0's port in xenbr5
ip link add name veth5 index 5 address 52:54:00:12:00:01 mtu 1500 txqueuelen 1000 type veth peer name vif0.5 index 6 address fe:ff:ff:ff:ff:ff mtu 1500
ip link set dev vif0.5 master xenbr5 arp off multicast off addrgenmode none
ip link set dev veth5 group 0 arp on multicast on allmulticast off promisc off addrgenmode none
sysctl -qw /net/ipv6/conf/vif0.5/disable_ipv6=1
sysctl -qw /net/ipv4/neigh/veth5/anycast_delay=100
sysctl -qw /net/ipv4/neigh/veth5/app_solicit=0
sysctl -qw /net/ipv4/neigh/veth5/base_reachable_time_ms=30000
sysctl -qw /net/ipv4/neigh/veth5/delay_first_probe_time=5
sysctl -qw /net/ipv4/neigh/veth5/gc_stale_time=60
sysctl -qw /net/ipv4/neigh/veth5/interval_probe_time_ms=5000
sysctl -qw /net/ipv4/neigh/veth5/locktime=100
sysctl -qw /net/ipv4/neigh/veth5/mcast_resolicit=0
sysctl -qw /net/ipv4/neigh/veth5/mcast_solicit=3
sysctl -qw /net/ipv4/neigh/veth5/proxy_delay=80
sysctl -qw /net/ipv4/neigh/veth5/proxy_qlen=64
sysctl -qw /net/ipv4/neigh/veth5/retrans_time_ms=1000
sysctl -qw /net/ipv4/neigh/veth5/ucast_solicit=3
sysctl -qw /net/ipv4/neigh/veth5/unres_qlen_bytes=212992
sysctl -qw /net/ipv6/neigh/veth5/anycast_delay=100
sysctl -qw /net/ipv6/neigh/veth5/app_solicit=0
sysctl -qw /net/ipv6/neigh/veth5/base_reachable_time_ms=30000
sysctl -qw /net/ipv6/neigh/veth5/delay_first_probe_time=5
sysctl -qw /net/ipv6/neigh/veth5/gc_stale_time=60
sysctl -qw /net/ipv6/neigh/veth5/interval_probe_time_ms=5000
sysctl -qw /net/ipv6/neigh/veth5/locktime=0
sysctl -qw /net/ipv6/neigh/veth5/mcast_resolicit=0
sysctl -qw /net/ipv6/neigh/veth5/mcast_solicit=3
sysctl -qw /net/ipv6/neigh/veth5/proxy_delay=80
sysctl -qw /net/ipv6/neigh/veth5/proxy_qlen=64
sysctl -qw /net/ipv6/neigh/veth5/retrans_time_ms=1000
sysctl -qw /net/ipv6/neigh/veth5/ucast_solicit=3
sysctl -qw /net/ipv6/neigh/veth5/unres_qlen_bytes=212992
ip link set dev vif0.5 up
ip link set dev veth5 addrgenmode none
ip link set dev veth5 up
# wait for vif0.5 to forward
until bridge link show dev vif0.5 | grep -q 'state forwarding'; do sleep 0.01; done
# rename ens5 to pens5
ip link set dev ens5 name pens5
# rename veth5 to ens5
ip link set dev veth5 name ens5
# move the alternative names of pens5
ip link property del dev pens5 altname enp0s5
ip link property add dev ens5 altname enp0s5
ip link property del dev pens5 altname eni-0123456789abcdef0
ip link property add dev ens5 altname eni-0123456789abcdef0
ip link property del dev pens5 altname device-number-0.0
ip link property add dev ens5 altname device-number-0.0
# give ens5 the addresses
ip addr add 192.0.2.100/24 broadcast 192.0.2.255 dev ens5 valid_lft 86400 preferred_lft 86400
ip addr add fe80::5054:ff:fe12:1/64 dev ens5 noprefixroute nodad
# let pens5 make no more IPv6 addresses
ip link set dev pens5 addrgenmode none
# make pens5 a port of xenbr5
ip link set dev pens5 master xenbr5
bridge fdb replace 52:54:00:12:00:01 dev vif0.5 master static
# switch the routes from pens5 to ens5
ip route del 192.0.2.0/24 dev ens5 proto kernel scope link src 192.0.2.100
ip route replace 192.0.2.0/24 dev ens5 proto kernel src 192.0.2.100
ip route replace 192.0.2.2/32 dev ens5 proto dhcp src 192.0.2.100 metric 512
ip addr replace fe80::5054:ff:fe12:1/64 dev ens5
ip -6 route del fe80::/64 dev pens5 proto kernel metric 256
ip route replace default via 192.0.2.1 dev ens5 proto dhcp src 192.0.2.100 metric 512
# let IPv6 on ens5 go on as before
ip link set dev ens5 addrgenmode eui64
# take the addresses off pens5
ip addr del 192.0.2.100/24 dev pens5
sysctl -qw /net/ipv6/conf/pens5/force_mld_version=1
sysctl -qw /net/ipv6/conf/pens5/disable_ipv6=1
sysctl -qw /net/ipv6/conf/pens5/force_mld_version=0
ip link set dev pens5 arp off multicast off allmulticast off promisc off up
ip link set dev pens5 address fe:ff:ff:ff:ff:ff || true
# have udev look after what is called ens5 as ever
udevadm settle --timeout=5
mkdir -p /run/systemd/network
printf '%s\n' '# Left as it is while it is in use by xbr-script' '[Match]' 'OriginalName=pens5 veth5 vif0.5 xenbr5' '' '[Link]' >/run/systemd/network/0-xbr-script-pens5.link
mkdir -p /run/udev/rules.d
printf '%s\n' 'SUBSYSTEM=="net", KERNEL=="pens5|veth5|vif0.5|xenbr5", NAME="$kernel"' 'SUBSYSTEM=="net", KERNEL=="pens5", ENV{NM_UNMANAGED}="1"' >/run/udev/rules.d/99-xbr-script-pens5.rules
udevadm control --reload --timeout=10
# give systemd-networkd the files for dom0's interface
mkdir -p /run/systemd/network/70-ens5.network.d
printf '%s\n' '# By its name, as long as ens5 is the port pens5 of a bridge (xbr-script)' '[Match]' Driver= MACAddress= Name=ens5 '[DHCPv4]' IAID=3055685611 >/run/systemd/network/70-ens5.network.d/xbr-script-ens5.conf
chmod 644 /run/systemd/network/70-ens5.network.d/xbr-script-ens5.conf
chgrp 0 /run/systemd/network/70-ens5.network.d/xbr-script-ens5.conf
mkdir -p /run/systemd/network
printf '%s\n' '# Left alone, as long as ens5 is the port pens5 of a bridge (xbr-script)' '[Match]' 'Name=pens5 vif0.5 xenbr5' '' '[Link]' Unmanaged=yes >/run/systemd/network/0-xbr-script-pens5.network
chmod 644 /run/systemd/network/0-xbr-script-pens5.network
chgrp 0 /run/systemd/network/0-xbr-script-pens5.network
mkdir -p /run/systemd/network
printf '%s\n' '# Left alone, as long as ens5 is the port pens5 of a bridge (xbr-script)' '[Match]' 'Name=vif*' '' '[Link]' Unmanaged=yes >/run/systemd/network/80-ec2-xbr-script-pens5.network
chmod 644 /run/systemd/network/80-ec2-xbr-script-pens5.network
chgrp 0 /run/systemd/network/80-ec2-xbr-script-pens5.network
# have systemd-networkd keep what it has leased
mkdir -p /run/systemd/network/70-ens5.network.d
printf '%s\n' '# Until there is a lease again (xbr-script)' '[Network]' KeepConfiguration=dhcp >/run/systemd/network/70-ens5.network.d/zz-xbr-script-ens5.conf
chmod 644 /run/systemd/network/70-ens5.network.d/zz-xbr-script-ens5.conf
chgrp 0 /run/systemd/network/70-ens5.network.d/zz-xbr-script-ens5.conf
# have systemd-networkd follow
systemctl kill --kill-who=main --signal=STOP systemd-networkd.service
systemctl thaw systemd-networkd.service
systemctl stop 'systemd-networkd*.socket'
rm -f /run/systemd/netif/links/*
systemctl kill --kill-who=main --signal=KILL systemd-networkd.service
systemctl start systemd-networkd.service
# let leased addresses expire as before
rm -f /run/systemd/network/70-ens5.network.d/zz-xbr-script-ens5.conf
systemctl reload systemd-networkd.service
