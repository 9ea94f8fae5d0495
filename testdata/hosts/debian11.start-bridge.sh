# $ xbr-script start netdev=ens3 dom0=bridge
# In short: all of this, or nothing.
#   NIC        ens3 becomes pens3, a port of the bridge ens3
#   dom0       ens3, the bridge itself, gets 2 addresses and 3 routes
#   configured by dhclient, ens3
#   configured by ifupdown, iface ens3
#   asked      192.0.2.1: if some answer before, and none of these afterwards,
#              all is put back
#   link       stays on all the while
#
# keep ifup@ens3.service when ens3 gets another name
printf '%s\n' '# Of /lib/systemd/system/ifup@.service, not bound to a device, as long as ens3 is the port pens3 of a bridge (xbr-script)' '[Unit]' 'Description=ifup for %I' 'After=local-fs.target network-pre.target apparmor.service systemd-sysctl.service' 'Before=network.target shutdown.target network-online.target' Conflicts=shutdown.target After=sys-subsystem-net-devices-%i.device DefaultDependencies=no IgnoreOnIsolate=yes '' '[Service]' '# avoid stopping on shutdown via stopping system-ifup.slice' Slice=system.slice 'ExecStart=/bin/sh -ec '\''ifup --allow=hotplug %I; ifquery --state %I'\''' 'ExecStop=/sbin/ifdown %I' RemainAfterExit=true TimeoutStartSec=5min >/run/systemd/system/ifup@ens3.service
systemctl daemon-reload
# have udev leave pens3 and the bridge as they are
udevadm settle --timeout=5
mkdir -p /run/systemd/network
printf '%s\n' '# Left as it is while it is in use by xbr-script' '[Match]' 'OriginalName=bens3 ens3 pens3' '' '[Link]' >/run/systemd/network/0-xbr-script-pens3.link
mkdir -p /run/udev/rules.d
printf '%s\n' 'SUBSYSTEM=="net", KERNEL=="bens3|ens3|pens3", NAME="$kernel"' 'SUBSYSTEM=="net", KERNEL=="pens3", ENV{NM_UNMANAGED}="1"' >/run/udev/rules.d/99-xbr-script-pens3.rules
udevadm control --reload --timeout=10
# create the bridge bens3 for dom0
ip link add name bens3 index 4 address 52:54:00:12:00:01 mtu 1501 txqueuelen 1000 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
ip link set dev bens3 mtu 1500 group 0 arp on multicast on allmulticast off promisc off addrgenmode none
sysctl -qw /net/ipv4/neigh/bens3/anycast_delay=100
sysctl -qw /net/ipv4/neigh/bens3/app_solicit=0
sysctl -qw /net/ipv4/neigh/bens3/base_reachable_time_ms=30000
sysctl -qw /net/ipv4/neigh/bens3/delay_first_probe_time=5
sysctl -qw /net/ipv4/neigh/bens3/gc_stale_time=60
sysctl -qw /net/ipv4/neigh/bens3/interval_probe_time_ms=5000
sysctl -qw /net/ipv4/neigh/bens3/locktime=100
sysctl -qw /net/ipv4/neigh/bens3/mcast_resolicit=0
sysctl -qw /net/ipv4/neigh/bens3/mcast_solicit=3
sysctl -qw /net/ipv4/neigh/bens3/proxy_delay=80
sysctl -qw /net/ipv4/neigh/bens3/proxy_qlen=64
sysctl -qw /net/ipv4/neigh/bens3/retrans_time_ms=1000
sysctl -qw /net/ipv4/neigh/bens3/ucast_solicit=3
sysctl -qw /net/ipv4/neigh/bens3/unres_qlen_bytes=212992
sysctl -qw /net/ipv6/neigh/bens3/anycast_delay=100
sysctl -qw /net/ipv6/neigh/bens3/app_solicit=0
sysctl -qw /net/ipv6/neigh/bens3/base_reachable_time_ms=30000
sysctl -qw /net/ipv6/neigh/bens3/delay_first_probe_time=5
sysctl -qw /net/ipv6/neigh/bens3/gc_stale_time=60
sysctl -qw /net/ipv6/neigh/bens3/interval_probe_time_ms=5000
sysctl -qw /net/ipv6/neigh/bens3/locktime=0
sysctl -qw /net/ipv6/neigh/bens3/mcast_resolicit=0
sysctl -qw /net/ipv6/neigh/bens3/mcast_solicit=3
sysctl -qw /net/ipv6/neigh/bens3/proxy_delay=80
sysctl -qw /net/ipv6/neigh/bens3/proxy_qlen=64
sysctl -qw /net/ipv6/neigh/bens3/retrans_time_ms=1000
sysctl -qw /net/ipv6/neigh/bens3/ucast_solicit=3
sysctl -qw /net/ipv6/neigh/bens3/unres_qlen_bytes=212992
ip link set dev bens3 addrgenmode none
ip link set dev bens3 up
# rename ens3 to pens3
ip link set dev ens3 name pens3
# rename bens3 to ens3
ip link set dev bens3 name ens3
# give ens3 the addresses
ip addr add 192.0.2.100/24 broadcast 192.0.2.255 dev ens3 valid_lft 86400 preferred_lft 86400
ip addr add fe80::5054:ff:fe12:1/64 dev ens3 noprefixroute nodad
# let pens3 make no more IPv6 addresses
ip link set dev pens3 addrgenmode none
# make pens3 a port of ens3
ip link set dev pens3 master ens3
# wait for ens3 to have a carrier
for i in $(seq 100); do ip link show dev ens3 | grep -q 'LOWER_UP.* state UP' && break; sleep 0.1; done
# switch the routes from pens3 to ens3
ip route del 192.0.2.0/24 dev ens3 proto kernel scope link src 192.0.2.100
ip route replace 192.0.2.0/24 dev ens3 proto kernel src 192.0.2.100
ip addr replace fe80::5054:ff:fe12:1/64 dev ens3
ip -6 route del fe80::/64 dev pens3 proto kernel metric 256
ip route replace default via 192.0.2.1 dev ens3 src 192.0.2.100
# let IPv6 on ens3 go on as before
ip link set dev ens3 addrgenmode eui64
# take the addresses off pens3
ip addr del 192.0.2.100/24 dev pens3
sysctl -qw /net/ipv6/conf/pens3/force_mld_version=1
sysctl -qw /net/ipv6/conf/pens3/disable_ipv6=1
sysctl -qw /net/ipv6/conf/pens3/force_mld_version=0
ip link set dev pens3 arp off multicast off allmulticast off promisc off up
# have udev look after what is called ens3 as ever
udevadm settle --timeout=5
mkdir -p /run/systemd/network
printf '%s\n' '# Left as it is while it is in use by xbr-script' '[Match]' 'OriginalName=bens3 pens3' '' '[Link]' >/run/systemd/network/0-xbr-script-pens3.link
mkdir -p /run/udev/rules.d
printf '%s\n' 'SUBSYSTEM=="net", KERNEL=="bens3|pens3", NAME="$kernel"' 'SUBSYSTEM=="net", KERNEL=="pens3", ENV{NM_UNMANAGED}="1"' >/run/udev/rules.d/99-xbr-script-pens3.rules
udevadm control --reload --timeout=10
