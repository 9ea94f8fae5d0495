# shellcheck shell=bash
# NetworkManager lets the NIC go and takes dom0's eth0, and after stop the NIC again: the lease is renewed
# eth0: DHCP; eth1: a static address, the profile bound by MAC address; eth2:
# left alone by NetworkManager, which reads /etc/network/interfaces.
dhcp_server 0
ip -n lan1 addr add 192.168.1.1/24 dev wire
ip -n lan2 addr add 192.168.2.1/24 dev wire
printf '%s\n' 'iface eth2 inet static' 'address 192.168.2.2/24' 'iface eth3 inet manual' >/etc/network/interfaces

# profile NAME LINE...: of a NIC.
profile() {
	local file=/etc/NetworkManager/system-connections/$1.nmconnection
	printf '%s\n' '[connection]' "id=$1" type=ethernet "${@:2}" '[ipv6]' method=link-local >"$file"
	chmod 600 "$file"
}
profile lease interface-name=eth0 '[ipv4]' method=auto
profile static '[ethernet]' "mac-address=$(cat /sys/class/net/eth1/address)" \
	'[ipv4]' method=manual address1=192.168.1.2/24

# D-Bus wants process ids that NetworkManager knows.
nmcli() { inside nmcli "$@"; }
xbr-script() { inside xbr-script "$@"; }

# bare NIC: it has no IPv4 address.
bare() { [ -z "$(ip -4 addr show "$1")" ]; }
has_address() { ! bare "$1"; }

reachable() {
	expect "the LAN of eth0 reaches the host" answers 192.168.0.100 lan 0
	expect "that of eth1, too" answers 192.168.1.2 lan 1
	expect "that of eth2, too" answers 192.168.2.2 lan 2
}

mkdir -p /etc/xen /run/network
cat >/etc/xen/xbr-script.conf <<'END'
vifnum=0 bridge=xenbr0 netdev=eth0
vifnum=1 bridge=xenbr1 netdev=eth1
vifnum=2 bridge=xenbr2 netdev=eth2
END
explain() {
	ip addr
	ip route
	journalctl --no-pager -o short-monotonic -u NetworkManager | tail -n 60
}
boot NetworkManager
log xbr-script
expect "the unit is up" systemctl -q is-active xbr-script
expect "status says: up as asked" xbr-script status
expect "the lease is renewed" renews eth0
for n in 0 1; do
	unplug "$n"
	plug "$n"
done
expect "NetworkManager restarts" systemctl restart NetworkManager
expect "the lease is renewed" renews eth0
for nic in peth0 peth1; do
	expect "$nic has no address" bare "$nic"
done
expect "the unit stops" systemctl stop xbr-script
refute "nothing is up" xbr-script status
expect "the lease is renewed" renews eth0

expect "ifup brings eth2 up" ifup eth2
reachable
xbr start
reachable
expect "the lease is renewed" renews eth0
for nic in peth0 peth1 peth2; do
	expect "$nic has no address" bare "$nic"
done
xbr stop
reachable

xbr start confirm=5
expect "not confirmed, it is taken back" wait_for 200 taken_back
expect "the lease is renewed" renews eth0
reachable

say "what somebody has given a NIC besides its profile"
ip addr add 192.168.0.77/24 dev eth0
ip route add 10.7.0.0/16 via 192.168.0.1
given() {
	expect "its address is there" has_given "$1"
	expect "and its route" grep -q "^10.7.0.0/16 via 192.168.0.1 dev $1" <(ip route)
}
has_given() { [[ $(ip -4 addr show "$1") == *192.168.0.77/24* ]]; }
xbr start
given eth0
xbr stop
given eth0

# ours: NetworkManager has our copies of profiles for bridges.
ours() { grep -q xbr-script /run/NetworkManager/system-connections/*; }

say "dom0=bridge: a bridge has a copy of the NIC's profile, eth1's goes by MAC address"
xbr start netdev=eth0 bridge=xenbr0 dom0=bridge --next vifnum=1 netdev=eth1 bridge=xenbr1 dom0=bridge
reachable
given xenbr0
expect "status says so" grep 'NetworkManager, profile lease, by a copy' <(xbr-script status)
unplug 0
plug 0
expect "NetworkManager restarts" systemctl restart NetworkManager
expect "the lease is renewed" renews xenbr0
for nic in peth0 peth1; do
	expect "$nic has no address" bare "$nic"
	expect "$nic is a port" is_port "$nic" "xenbr${nic#peth}"
done
reachable
xbr stop
refute "no copy is left" ours
reachable
given eth0

# cut_short DOM0 COMMAND: start is killed when it does this, and is taken back. If it had
# ended before, stop does it.
cut_short() {
	local command=$2
	killed_when begins_command -v start netdev=eth0 "dom0=$1"
	say "killed after: $(tail -n 1 /tmp/said)"
	if [ -e /run/xbr-script/journal ]; then xbr recover; else xbr stop netdev=eth0; fi
}
begins_command() { grep -q "^+ $command" /tmp/said; }
cut_short bridge 'nmcli device set peth0'
refute "no copy is left" ours
given eth0
cut_short veth 'nmcli device set eth0 managed yes'
given eth0
settled() { [ ! -e /run/xbr-script/journal ]; }
xbr start netdev=eth0 dom0=bridge confirm=2
expect "not confirmed, it is taken back" wait_for 200 settled
refute "no copy is left" ours
expect "the lease is renewed" renews eth0
ip addr del 192.168.0.77/24 dev eth0
reachable

# What would become of it. It is why.
ip link set eth0 down
ip link set eth0 name peth0
ip addr flush dev peth0
ip link set peth0 up
expect "NetworkManager gives the NIC its address back, whatever its name" wait_for 100 has_address peth0
ip link set peth0 down
ip link set peth0 name eth0
ip link set eth0 up
reachable

# NetworkManager is not waited for while the machine is being switched off.
expect "the unit starts" systemctl restart xbr-script
expect "status says: up as asked" xbr-script status
power_off
expect "systemd ends" wait_for 200 systemd_ended
refute "nothing is up" command xbr-script status
expect "eth1 has its address" has_address eth1
