# shellcheck shell=bash
# VLANs in the bridge: what an admin set there stays, and comes back with the ports
give 0 192.168.0.2/24 192.168.0.1/24
ip route add default via 192.168.0.1
expect "the LAN reaches the host" answers 192.168.0.2 lan 0
for i in 1 2; do
	ip link add "vif$i.0" type veth peer name "g$i"
	ip link set "g$i" up
	ip link set "vif$i.0" up
done
state_save before

# seen BRIDGE: the VLANs and the ports' settings, as text.
seen() {
	bridge -d vlan show | sed 's/ *$//'
	for port in peth0 vif1.0 vif2.0; do bridge -d link show dev "$port" | tail -1; done
	ip -d link show dev "$1" | grep -o 'vlan_[a-z_]* [^ ]*'
	bridge fdb show br "$1" | grep static | sort
}

# stays BRIDGE ARGUMENT...: sets VLANs on a network that is up, calls start again,
# then stop and start.
stays() {
	xbr start "${@:2}"
	for i in 1 2; do ip link set "vif$i.0" master "$1"; done
	ip link set "$1" type bridge vlan_stats_enabled 1 vlan_filtering 1
	bridge vlan del dev vif1.0 vid 1
	bridge vlan add dev vif1.0 vid 200 pvid untagged
	bridge vlan add dev vif1.0 vid 10-20
	bridge vlan set dev vif1.0 vid 12 state blocking
	bridge vlan del dev vif2.0 vid 1
	bridge vlan add dev peth0 vid 200
	bridge vlan add dev "$1" vid 30 self
	ip link set vif1.0 type bridge_slave isolated on hairpin on learning off guard on
	bridge fdb add 02:00:00:00:77:01 dev vif1.0 master static vlan 200
	seen "$1" >/tmp/chosen
	xbr start "${@:2}"
	expect "another start leaves it" diff /tmp/chosen <(seen "$1")
	expect "the LAN reaches the host" answers 192.168.0.2 lan 0
	xbr stop
	expect "the LAN reaches the host" answers 192.168.0.2 lan 0
	xbr start "${@:2}"
	expect "stop and start bring it back" diff /tmp/chosen <(seen "$1")
	expect "the LAN reaches the host" answers 192.168.0.2 lan 0
	xbr stop
	state_same before
	rm -f /run/xbr-script/guests.*
}

stays xenbr0
stays eth0 dom0=bridge
