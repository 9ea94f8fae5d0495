# $ xbr-script start netdev=enp1s0 dom0=bridge
# In short: all of this, or nothing.
#   NIC        enp1s0 becomes penp1s0, a port of the bridge enp1s0
#   dom0       enp1s0, the bridge itself, gets 2 addresses and 3 routes
#   configured by NetworkManager, profile netplan-enp1s0
#   asked      192.0.2.1: if some answer before, and none of these afterwards,
#              all is put back
#   link       stays on all the while
#
# netplan apply and netplan try would have NetworkManager give enp1s0 up, which loses its addresses then: stop comes before them; without dom0=bridge they do no harm
# have NetworkManager let enp1s0 go
nmcli device set enp1s0 managed no
# have udev leave penp1s0 and the bridge as they are
udevadm settle --timeout=5
mkdir -p /run/systemd/network
printf '%s\n' '# Left as it is while it is in use by xbr-script' '[Match]' 'OriginalName=benp1s0 enp1s0 penp1s0' '' '[Link]' >/run/systemd/network/0-xbr-script-penp1s0.link
mkdir -p /run/udev/rules.d
printf '%s\n' 'SUBSYSTEM=="net", KERNEL=="benp1s0|enp1s0|penp1s0", NAME="$kernel"' 'SUBSYSTEM=="net", KERNEL=="penp1s0", ENV{NM_UNMANAGED}="1"' >/run/udev/rules.d/99-xbr-script-penp1s0.rules
udevadm control --reload --timeout=10
# create the bridge benp1s0 for dom0
ip link add name benp1s0 index 4 address 52:54:00:12:00:01 mtu 1501 txqueuelen 1000 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
ip link set dev benp1s0 mtu 1500 group 0 arp on multicast on allmulticast off promisc off addrgenmode none
sysctl -qw /net/ipv4/neigh/benp1s0/anycast_delay=100
sysctl -qw /net/ipv4/neigh/benp1s0/app_solicit=0
sysctl -qw /net/ipv4/neigh/benp1s0/base_reachable_time_ms=30000
sysctl -qw /net/ipv4/neigh/benp1s0/delay_first_probe_time=5
sysctl -qw /net/ipv4/neigh/benp1s0/gc_stale_time=60
sysctl -qw /net/ipv4/neigh/benp1s0/interval_probe_time_ms=5000
sysctl -qw /net/ipv4/neigh/benp1s0/locktime=100
sysctl -qw /net/ipv4/neigh/benp1s0/mcast_resolicit=0
sysctl -qw /net/ipv4/neigh/benp1s0/mcast_solicit=3
sysctl -qw /net/ipv4/neigh/benp1s0/proxy_delay=80
sysctl -qw /net/ipv4/neigh/benp1s0/proxy_qlen=64
sysctl -qw /net/ipv4/neigh/benp1s0/retrans_time_ms=1000
sysctl -qw /net/ipv4/neigh/benp1s0/ucast_solicit=3
sysctl -qw /net/ipv4/neigh/benp1s0/unres_qlen_bytes=212992
sysctl -qw /net/ipv6/neigh/benp1s0/anycast_delay=100
sysctl -qw /net/ipv6/neigh/benp1s0/app_solicit=0
sysctl -qw /net/ipv6/neigh/benp1s0/base_reachable_time_ms=30000
sysctl -qw /net/ipv6/neigh/benp1s0/delay_first_probe_time=5
sysctl -qw /net/ipv6/neigh/benp1s0/gc_stale_time=60
sysctl -qw /net/ipv6/neigh/benp1s0/interval_probe_time_ms=5000
sysctl -qw /net/ipv6/neigh/benp1s0/locktime=0
sysctl -qw /net/ipv6/neigh/benp1s0/mcast_resolicit=0
sysctl -qw /net/ipv6/neigh/benp1s0/mcast_solicit=3
sysctl -qw /net/ipv6/neigh/benp1s0/proxy_delay=80
sysctl -qw /net/ipv6/neigh/benp1s0/proxy_qlen=64
sysctl -qw /net/ipv6/neigh/benp1s0/retrans_time_ms=1000
sysctl -qw /net/ipv6/neigh/benp1s0/ucast_solicit=3
sysctl -qw /net/ipv6/neigh/benp1s0/unres_qlen_bytes=212992
ip link set dev benp1s0 addrgenmode none
ip link set dev benp1s0 up
# rename enp1s0 to penp1s0
ip link set dev enp1s0 name penp1s0
# rename benp1s0 to enp1s0
ip link set dev benp1s0 name enp1s0
# give enp1s0 the addresses
ip addr add 192.0.2.100/24 broadcast 192.0.2.255 dev enp1s0 valid_lft 86400 preferred_lft 86400 noprefixroute
ip addr add fe80::5054:ff:fe12:1/64 dev enp1s0 noprefixroute nodad
# let penp1s0 make no more IPv6 addresses
ip link set dev penp1s0 addrgenmode none
# make penp1s0 a port of enp1s0
ip link set dev penp1s0 master enp1s0
# wait for enp1s0 to have a carrier
for i in $(seq 100); do ip link show dev enp1s0 | grep -q 'LOWER_UP.* state UP' && break; sleep 0.1; done
# switch the routes from penp1s0 to enp1s0
ip route replace 192.0.2.0/24 dev enp1s0 proto kernel src 192.0.2.100 metric 100
ip addr replace fe80::5054:ff:fe12:1/64 dev enp1s0
ip -6 route del fe80::/64 dev penp1s0 proto kernel metric 256
ip route replace default via 192.0.2.1 dev enp1s0 proto dhcp src 192.0.2.100 metric 100
# let IPv6 on enp1s0 go on as before
ip link set dev enp1s0 addrgenmode eui64
# take the addresses off penp1s0
ip addr del 192.0.2.100/24 dev penp1s0
sysctl -qw /net/ipv6/conf/penp1s0/force_mld_version=1
sysctl -qw /net/ipv6/conf/penp1s0/disable_ipv6=1
sysctl -qw /net/ipv6/conf/penp1s0/force_mld_version=0
ip link set dev penp1s0 arp off multicast off allmulticast off promisc off up
# have udev look after what is called enp1s0 as ever
udevadm settle --timeout=5
mkdir -p /run/systemd/network
printf '%s\n' '# Left as it is while it is in use by xbr-script' '[Match]' 'OriginalName=benp1s0 penp1s0' '' '[Link]' >/run/systemd/network/0-xbr-script-penp1s0.link
mkdir -p /run/udev/rules.d
printf '%s\n' 'SUBSYSTEM=="net", KERNEL=="benp1s0|penp1s0", NAME="$kernel"' 'SUBSYSTEM=="net", KERNEL=="penp1s0", ENV{NM_UNMANAGED}="1"' >/run/udev/rules.d/99-xbr-script-penp1s0.rules
udevadm control --reload --timeout=10
# have NetworkManager take enp1s0
nmcli device set penp1s0 managed yes
nmcli -t -e no -f ipv4,ipv6 connection show uuid 6f9f1ad4-7f1c-3d5e-9a0e-2d9a3b1c0004 | sed 's/:/\n/' | xargs -d '\n' nmcli connection modify --temporary enp1s0
nmcli device reapply enp1s0
