# shellcheck shell=bash
# NetworkManager: refused while it configures the card; told to let it go, it renews the lease on dom0's eth0, and after stop
# eth0: DHCP; eth1: a static address, the profile bound by MAC address; eth2:
# left alone by NetworkManager, which reads /etc/network/interfaces, as is eth3.
dhcp_server 0
ip -n lan1 addr add 192.168.1.1/24 dev wire
ip -n lan2 addr add 192.168.2.1/24 dev wire
printf '%s\n' 'iface eth2 inet static' 'address 192.168.2.2/24' 'iface eth3 inet manual' >/etc/network/interfaces

# profile NAME LINE...: of a card.
profile() {
	local file=/etc/NetworkManager/system-connections/$1.nmconnection
	printf '%s\n' '[connection]' "id=$1" type=ethernet "${@:2}" '[ipv6]' method=link-local >"$file"
	chmod 600 "$file"
}
# What docs/xen.md has for the boot unit.
mkdir -p /etc/systemd/system/xbr-script.service.d /etc/xen
cat >/etc/systemd/system/xbr-script.service.d/override.conf <<'END'
[Service]
ExecStartPre=nmcli device set eth0 managed no
ExecStartPost=nmcli device set eth0 managed yes
ExecStartPost=nmcli connection up lease ifname eth0
ExecStop=
ExecStop=nmcli device set eth0 managed no
ExecStop=/usr/local/sbin/xbr-script stop
ExecStopPost=nmcli device set eth0 managed yes
END

profile lease interface-name=eth0 '[ipv4]' method=auto
profile static '[ethernet]' "mac-address=$(cat /sys/class/net/eth1/address)" \
	'[ipv4]' method=manual address1=192.168.1.2/24

# D-Bus wants process ids that NetworkManager knows.
nmcli() { beside_systemd nmcli "$@"; }
xbr-script() { beside_systemd xbr-script "$@"; }

# bare CARD: it has no IPv4 address.
bare() { [ -z "$(ip -4 addr show "$1")" ]; }
has_address() { ! bare "$1"; }

# refuses COMMAND NAME: with words about NetworkManager and that interface.
refuses() {
	! xbr-script "$1" netdev=eth0 vifnum=0 >/tmp/said 2>&1 || return 1
	cat /tmp/said
	grep -q "^xbr-script: cannot $1 xenbr0: NetworkManager configures $2, " /tmp/said
}

reachable() {
	expect "the LAN of eth0 reaches the host" answers 192.168.0.100 lan 0
	expect "that of eth1, too" answers 192.168.1.2 lan 1
	expect "that of eth2, too" answers 192.168.2.2 lan 2
}

boot NetworkManager
mkdir -p /run/network
expect "ifup brings eth2 up" ifup eth2
reachable
expect "start refuses" refuses start eth0
expect "the lease is renewed" renews eth0
reachable

for card in eth0 eth1; do
	expect "NetworkManager lets $card go" nmcli device set "$card" managed no
done
reachable
for n in 0 1 2; do
	xbr start netdev="eth$n" vifnum="$n"
done
reachable
expect "NetworkManager goes on with dom0's eth0" nmcli device set eth0 managed yes
expect "by the profile" nmcli connection up lease ifname eth0
expect "the lease is renewed" renews eth0
expect "and again" renews eth0
for n in 0 1 2; do
	unplug "$n"
	plug "$n"
done
expect "NetworkManager restarts" systemctl restart NetworkManager
expect "the lease is renewed" renews eth0
reachable
for card in peth0 peth1 peth2; do
	expect "$card has no address" bare "$card"
done
expect "status says: up as asked" xbr-script status

expect "stop refuses" refuses stop eth0
expect "NetworkManager lets dom0's eth0 go" nmcli device set eth0 managed no
xbr stop
reachable
for card in eth0 eth1; do
	expect "NetworkManager takes $card" nmcli device set "$card" managed yes
done
expect "by the profile" nmcli connection up lease ifname eth0
expect "the lease is renewed" renews eth0
expect "and again" renews eth0
reachable

echo 'bridge=xenbr0 netdev=eth0' >/etc/xen/xbr-script.conf
expect "the boot unit starts" systemctl start xbr-script
log xbr-script
expect "status says: up as asked" xbr-script status
expect "the lease is renewed" renews eth0
expect "the unit stops" systemctl stop xbr-script
refute "nothing is up" xbr-script status
expect "the lease is renewed" renews eth0
expect "the LAN of eth0 reaches the host" answers 192.168.0.100 lan 0

# What would become of it. It is why.
ip link set eth0 down
ip link set eth0 name peth0
ip addr flush dev peth0
ip link set peth0 up
expect "NetworkManager gives the card its address back, whatever its name" wait_for 100 has_address peth0
