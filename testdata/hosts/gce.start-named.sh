# $ xbr-script start netdev=ens4 dom0=bridge bridge=xenbr0
# In short: all of this, or nothing.
#   NIC        ens4 becomes pens4, a port of the bridge xenbr0
#   dom0       xenbr0, the bridge itself, gets 2 addresses and 4 routes
#   configured by systemd-networkd, 10-netplan-ens4.network, by a drop-in
#   asked      192.0.2.1: if some answer before, and none of these afterwards,
#              all is put back
#   link       stays on all the while
#
# hold systemd-networkd still
systemctl stop systemd-networkd-persistent-storage.service
systemctl freeze systemd-networkd.service
# have udev leave pens4 and the bridge as they are
udevadm settle --timeout=5
mkdir -p /run/systemd/network
printf '%s\n' '# Left as it is while it is in use by xbr-script' '[Match]' 'OriginalName=ens4 pens4 xenbr0' '' '[Link]' >/run/systemd/network/0-xbr-script-pens4.link
mkdir -p /run/udev/rules.d
printf '%s\n' 'SUBSYSTEM=="net", KERNEL=="ens4|pens4|xenbr0", NAME="$kernel"' 'SUBSYSTEM=="net", KERNEL=="pens4", ENV{NM_UNMANAGED}="1"' >/run/udev/rules.d/99-xbr-script-pens4.rules
udevadm control --reload --timeout=10
# have cloud-init leave the network alone
mkdir -p /run/cloud-init
echo 'network: {config: disabled} # as long as ens4 is a port (xbr-script)' >>/run/cloud-init/cloud.cfg
# create the bridge xenbr0 for dom0
ip link add name xenbr0 index 4 address 52:54:00:12:00:01 mtu 1501 txqueuelen 1000 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
ip link set dev xenbr0 mtu 1500 group 0 arp on multicast on allmulticast off promisc off addrgenmode none
sysctl -qw /net/ipv4/neigh/xenbr0/anycast_delay=100
sysctl -qw /net/ipv4/neigh/xenbr0/app_solicit=0
sysctl -qw /net/ipv4/neigh/xenbr0/base_reachable_time_ms=30000
sysctl -qw /net/ipv4/neigh/xenbr0/delay_first_probe_time=5
sysctl -qw /net/ipv4/neigh/xenbr0/gc_stale_time=60
sysctl -qw /net/ipv4/neigh/xenbr0/interval_probe_time_ms=5000
sysctl -qw /net/ipv4/neigh/xenbr0/locktime=100
sysctl -qw /net/ipv4/neigh/xenbr0/mcast_resolicit=0
sysctl -qw /net/ipv4/neigh/xenbr0/mcast_solicit=3
sysctl -qw /net/ipv4/neigh/xenbr0/proxy_delay=80
sysctl -qw /net/ipv4/neigh/xenbr0/proxy_qlen=64
sysctl -qw /net/ipv4/neigh/xenbr0/retrans_time_ms=1000
sysctl -qw /net/ipv4/neigh/xenbr0/ucast_solicit=3
sysctl -qw /net/ipv4/neigh/xenbr0/unres_qlen_bytes=212992
sysctl -qw /net/ipv6/neigh/xenbr0/anycast_delay=100
sysctl -qw /net/ipv6/neigh/xenbr0/app_solicit=0
sysctl -qw /net/ipv6/neigh/xenbr0/base_reachable_time_ms=30000
sysctl -qw /net/ipv6/neigh/xenbr0/delay_first_probe_time=5
sysctl -qw /net/ipv6/neigh/xenbr0/gc_stale_time=60
sysctl -qw /net/ipv6/neigh/xenbr0/interval_probe_time_ms=5000
sysctl -qw /net/ipv6/neigh/xenbr0/locktime=0
sysctl -qw /net/ipv6/neigh/xenbr0/mcast_resolicit=0
sysctl -qw /net/ipv6/neigh/xenbr0/mcast_solicit=3
sysctl -qw /net/ipv6/neigh/xenbr0/proxy_delay=80
sysctl -qw /net/ipv6/neigh/xenbr0/proxy_qlen=64
sysctl -qw /net/ipv6/neigh/xenbr0/retrans_time_ms=1000
sysctl -qw /net/ipv6/neigh/xenbr0/ucast_solicit=3
sysctl -qw /net/ipv6/neigh/xenbr0/unres_qlen_bytes=212992
ip link set dev xenbr0 addrgenmode none
ip link set dev xenbr0 up
# rename ens4 to pens4
ip link set dev ens4 name pens4
# give xenbr0 the addresses
ip addr add 192.0.2.100/32 dev xenbr0 valid_lft 86400 preferred_lft 86400
ip addr add fe80::5054:ff:fe12:1/64 dev xenbr0 noprefixroute nodad
# let pens4 make no more IPv6 addresses
ip link set dev pens4 addrgenmode none
# make pens4 a port of xenbr0
ip link set dev pens4 master xenbr0
# wait for xenbr0 to have a carrier
for i in $(seq 100); do ip link show dev xenbr0 | grep -q 'LOWER_UP.* state UP' && break; sleep 0.1; done
# switch the routes from pens4 to xenbr0
ip route replace 192.0.2.1/32 dev xenbr0 proto dhcp src 192.0.2.100 metric 100
ip route replace local 198.51.100.77/32 dev xenbr0 table local proto 66
ip addr replace fe80::5054:ff:fe12:1/64 dev xenbr0
ip -6 route del fe80::/64 dev pens4 proto kernel metric 256
ip route replace default via 192.0.2.1 dev xenbr0 proto dhcp src 192.0.2.100 metric 100
# let IPv6 on xenbr0 go on as before
ip link set dev xenbr0 addrgenmode eui64
# take the addresses off pens4
ip addr del 192.0.2.100/32 dev pens4
sysctl -qw /net/ipv6/conf/pens4/force_mld_version=1
sysctl -qw /net/ipv6/conf/pens4/disable_ipv6=1
sysctl -qw /net/ipv6/conf/pens4/force_mld_version=0
ip link set dev pens4 arp off multicast off allmulticast off promisc off up
# have udev look after what is called ens4 as ever
udevadm settle --timeout=5
mkdir -p /run/systemd/network
printf '%s\n' '# Left as it is while it is in use by xbr-script' '[Match]' 'OriginalName=pens4 xenbr0' '' '[Link]' >/run/systemd/network/0-xbr-script-pens4.link
mkdir -p /run/udev/rules.d
printf '%s\n' 'SUBSYSTEM=="net", KERNEL=="pens4|xenbr0", NAME="$kernel"' 'SUBSYSTEM=="net", KERNEL=="pens4", ENV{NM_UNMANAGED}="1"' >/run/udev/rules.d/99-xbr-script-pens4.rules
udevadm control --reload --timeout=10
# give systemd-networkd the files for dom0's interface
mkdir -p /run/systemd/network/10-netplan-ens4.network.d
printf '%s\n' '# By its name, as long as ens4 is the port pens4 of a bridge (xbr-script)' '[Match]' Name= PermanentMACAddress= Name=xenbr0 '[DHCPv4]' IAID=3055685611 >/run/systemd/network/10-netplan-ens4.network.d/xbr-script-xenbr0.conf
chmod 640 /run/systemd/network/10-netplan-ens4.network.d/xbr-script-xenbr0.conf
chgrp 998 /run/systemd/network/10-netplan-ens4.network.d/xbr-script-xenbr0.conf
mkdir -p /run/systemd/network
printf '%s\n' '# Left alone, as long as ens4 is the port pens4 of a bridge (xbr-script)' '[Match]' Name=pens4 '' '[Link]' Unmanaged=yes >/run/systemd/network/0-xbr-script-pens4.network
chmod 644 /run/systemd/network/0-xbr-script-pens4.network
chgrp 0 /run/systemd/network/0-xbr-script-pens4.network
# have systemd-networkd keep what it has leased
mkdir -p /run/systemd/network/10-netplan-ens4.network.d
printf '%s\n' '# Until there is a lease again (xbr-script)' '[Network]' KeepConfiguration=dhcp >/run/systemd/network/10-netplan-ens4.network.d/zz-xbr-script-xenbr0.conf
chmod 644 /run/systemd/network/10-netplan-ens4.network.d/zz-xbr-script-xenbr0.conf
chgrp 0 /run/systemd/network/10-netplan-ens4.network.d/zz-xbr-script-xenbr0.conf
# have systemd-networkd follow
systemctl kill --kill-who=main --signal=STOP systemd-networkd.service
systemctl thaw systemd-networkd.service
systemctl stop 'systemd-networkd*.socket'
rm -f /run/systemd/netif/links/*
systemctl kill --kill-who=main --signal=KILL systemd-networkd.service
systemctl start systemd-networkd.service
# let leased addresses expire as before
rm -f /run/systemd/network/10-netplan-ens4.network.d/zz-xbr-script-xenbr0.conf
systemctl reload systemd-networkd.service
