# $ xbr-script start netdev=enp1s0
# In short: all of this, or nothing.
#   NIC        enp1s0 becomes penp1s0, a port of the bridge xenbr0
#   dom0       its own enp1s0, with the port vif0.0, gets 2 addresses and 3
#              routes
#   configured by systemd-networkd, 99-ethernet-default-dhcp.network, by a copy
#   asked      192.0.2.1: if some answer before, and none of these afterwards,
#              all is put back
#   link       stays on all the while
#
# hold systemd-networkd still
systemctl stop systemd-networkd-persistent-storage.service
systemctl freeze systemd-networkd.service
# have udev leave penp1s0 and the bridge as they are
udevadm settle --timeout=5
mkdir -p /run/systemd/network
printf '%s\n' '# Left as it is while it is in use by xbr-script' '[Match]' 'OriginalName=enp1s0 penp1s0 veth0 vif0.0 xenbr0' '' '[Link]' >/run/systemd/network/0-xbr-script-penp1s0.link
mkdir -p /run/udev/rules.d
printf '%s\n' 'SUBSYSTEM=="net", KERNEL=="enp1s0|penp1s0|veth0|vif0.0|xenbr0", NAME="$kernel"' 'SUBSYSTEM=="net", KERNEL=="penp1s0", ENV{NM_UNMANAGED}="1"' >/run/udev/rules.d/99-xbr-script-penp1s0.rules
udevadm control --reload --timeout=10
# create the bridge xenbr0
ip link add name xenbr0 index 4 address fe:ff:ff:ff:ff:ff mtu 1501 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
ip link set dev xenbr0 mtu 1500 arp off multicast off addrgenmode none
sysctl -qw /net/ipv6/conf/xenbr0/disable_ipv6=1
ip link set dev xenbr0 up
# create veth0 and vif0.0, dom0's port in xenbr0
ip link add name veth0 index 5 address 52:54:00:12:00:01 mtu 1500 txqueuelen 1000 type veth peer name vif0.0 index 6 address fe:ff:ff:ff:ff:ff mtu 1500
ip link set dev vif0.0 master xenbr0 arp off multicast off addrgenmode none
ip link set dev veth0 group 0 arp on multicast on allmulticast off promisc off addrgenmode none
sysctl -qw /net/ipv6/conf/vif0.0/disable_ipv6=1
sysctl -qw /net/ipv4/neigh/veth0/anycast_delay=100
sysctl -qw /net/ipv4/neigh/veth0/app_solicit=0
sysctl -qw /net/ipv4/neigh/veth0/base_reachable_time_ms=30000
sysctl -qw /net/ipv4/neigh/veth0/delay_first_probe_time=5
sysctl -qw /net/ipv4/neigh/veth0/gc_stale_time=60
sysctl -qw /net/ipv4/neigh/veth0/interval_probe_time_ms=5000
sysctl -qw /net/ipv4/neigh/veth0/locktime=100
sysctl -qw /net/ipv4/neigh/veth0/mcast_resolicit=0
sysctl -qw /net/ipv4/neigh/veth0/mcast_solicit=3
sysctl -qw /net/ipv4/neigh/veth0/proxy_delay=80
sysctl -qw /net/ipv4/neigh/veth0/proxy_qlen=64
sysctl -qw /net/ipv4/neigh/veth0/retrans_time_ms=1000
sysctl -qw /net/ipv4/neigh/veth0/ucast_solicit=3
sysctl -qw /net/ipv4/neigh/veth0/unres_qlen_bytes=212992
sysctl -qw /net/ipv6/neigh/veth0/anycast_delay=100
sysctl -qw /net/ipv6/neigh/veth0/app_solicit=0
sysctl -qw /net/ipv6/neigh/veth0/base_reachable_time_ms=30000
sysctl -qw /net/ipv6/neigh/veth0/delay_first_probe_time=5
sysctl -qw /net/ipv6/neigh/veth0/gc_stale_time=60
sysctl -qw /net/ipv6/neigh/veth0/interval_probe_time_ms=5000
sysctl -qw /net/ipv6/neigh/veth0/locktime=0
sysctl -qw /net/ipv6/neigh/veth0/mcast_resolicit=0
sysctl -qw /net/ipv6/neigh/veth0/mcast_solicit=3
sysctl -qw /net/ipv6/neigh/veth0/proxy_delay=80
sysctl -qw /net/ipv6/neigh/veth0/proxy_qlen=64
sysctl -qw /net/ipv6/neigh/veth0/retrans_time_ms=1000
sysctl -qw /net/ipv6/neigh/veth0/ucast_solicit=3
sysctl -qw /net/ipv6/neigh/veth0/unres_qlen_bytes=212992
ip link set dev vif0.0 up
ip link set dev veth0 addrgenmode none
ip link set dev veth0 up
# wait for vif0.0 to forward
until bridge link show dev vif0.0 | grep -q 'state forwarding'; do sleep 0.01; done
# rename enp1s0 to penp1s0
ip link set dev enp1s0 name penp1s0
# rename veth0 to enp1s0
ip link set dev veth0 name enp1s0
# give enp1s0 the addresses
ip addr add 192.0.2.100/24 broadcast 192.0.2.255 dev enp1s0 valid_lft 86400 preferred_lft 86400
ip addr add fe80::5054:ff:fe12:1/64 dev enp1s0 noprefixroute nodad
# let penp1s0 make no more IPv6 addresses
ip link set dev penp1s0 addrgenmode none
# make penp1s0 a port of xenbr0
ip link set dev penp1s0 master xenbr0
bridge fdb replace 52:54:00:12:00:01 dev vif0.0 master static
# switch the routes from penp1s0 to enp1s0
ip route del 192.0.2.0/24 dev enp1s0 proto kernel scope link src 192.0.2.100
ip route replace 192.0.2.0/24 dev enp1s0 proto kernel src 192.0.2.100
ip addr replace fe80::5054:ff:fe12:1/64 dev enp1s0
ip -6 route del fe80::/64 dev penp1s0 proto kernel metric 256
ip route replace default via 192.0.2.1 dev enp1s0 proto dhcp src 192.0.2.100 metric 1024
# let IPv6 on enp1s0 go on as before
ip link set dev enp1s0 addrgenmode eui64
# take the addresses off penp1s0
ip addr del 192.0.2.100/24 dev penp1s0
sysctl -qw /net/ipv6/conf/penp1s0/force_mld_version=1
sysctl -qw /net/ipv6/conf/penp1s0/disable_ipv6=1
sysctl -qw /net/ipv6/conf/penp1s0/force_mld_version=0
ip link set dev penp1s0 arp off multicast off allmulticast off promisc off up
ip link set dev penp1s0 address fe:ff:ff:ff:ff:ff || true
# have udev look after what is called enp1s0 as ever
udevadm settle --timeout=5
mkdir -p /run/systemd/network
printf '%s\n' '# Left as it is while it is in use by xbr-script' '[Match]' 'OriginalName=penp1s0 veth0 vif0.0 xenbr0' '' '[Link]' >/run/systemd/network/0-xbr-script-penp1s0.link
mkdir -p /run/udev/rules.d
printf '%s\n' 'SUBSYSTEM=="net", KERNEL=="penp1s0|veth0|vif0.0|xenbr0", NAME="$kernel"' 'SUBSYSTEM=="net", KERNEL=="penp1s0", ENV{NM_UNMANAGED}="1"' >/run/udev/rules.d/99-xbr-script-penp1s0.rules
udevadm control --reload --timeout=10
# give systemd-networkd the files for dom0's interface
mkdir -p /run/systemd/network
printf '%s\n' '# Of /etc/systemd/network/99-ethernet-default-dhcp.network, as long as enp1s0 is the port penp1s0 of a bridge (xbr-script)' '[Match]' Name=enp1s0 '' '[Network]' DHCP=yes IPv6PrivacyExtensions=kernel '[DHCPv4]' IAID=3055685611 >/run/systemd/network/0-xbr-script-enp1s0.network
chmod 644 /run/systemd/network/0-xbr-script-enp1s0.network
chgrp 0 /run/systemd/network/0-xbr-script-enp1s0.network
mkdir -p /run/systemd/network
printf '%s\n' '# Left alone, as long as enp1s0 is the port penp1s0 of a bridge (xbr-script)' '[Match]' 'Name=penp1s0 vif0.0 xenbr0' '' '[Link]' Unmanaged=yes >/run/systemd/network/0-xbr-script-penp1s0.network
chmod 644 /run/systemd/network/0-xbr-script-penp1s0.network
chgrp 0 /run/systemd/network/0-xbr-script-penp1s0.network
mkdir -p /run/systemd/network
printf '%s\n' '# Left alone, as long as enp1s0 is the port penp1s0 of a bridge (xbr-script)' '[Match]' 'Name=vif*' '' '[Link]' Unmanaged=yes >/run/systemd/network/99-ethernet-default-dhcp-xbr-script-penp1s0.network
chmod 644 /run/systemd/network/99-ethernet-default-dhcp-xbr-script-penp1s0.network
chgrp 0 /run/systemd/network/99-ethernet-default-dhcp-xbr-script-penp1s0.network
# have systemd-networkd keep what it has leased
mkdir -p /run/systemd/network/0-xbr-script-enp1s0.network.d
printf '%s\n' '# Until there is a lease again (xbr-script)' '[Network]' KeepConfiguration=dhcp >/run/systemd/network/0-xbr-script-enp1s0.network.d/zz-xbr-script-enp1s0.conf
chmod 644 /run/systemd/network/0-xbr-script-enp1s0.network.d/zz-xbr-script-enp1s0.conf
chgrp 0 /run/systemd/network/0-xbr-script-enp1s0.network.d/zz-xbr-script-enp1s0.conf
# have systemd-networkd follow
systemctl kill --kill-who=main --signal=STOP systemd-networkd.service
systemctl thaw systemd-networkd.service
systemctl stop 'systemd-networkd*.socket'
rm -f /run/systemd/netif/links/*
systemctl kill --kill-who=main --signal=KILL systemd-networkd.service
systemctl start systemd-networkd.service
# let leased addresses expire as before
rm -f /run/systemd/network/0-xbr-script-enp1s0.network.d/zz-xbr-script-enp1s0.conf
systemctl reload systemd-networkd.service
