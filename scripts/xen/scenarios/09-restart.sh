# shellcheck shell=bash
# A PV and a PVH guest at work while xend is restarted: nothing is lost; stop and start: they are taken back, connections live on
needs "Debian 13" suite trixie
give 0 192.168.0.2/24 192.168.0.1/24
ip route add default via 192.168.0.1
ip -n lan0 addr add 2001:db8::1/64 dev wire nodad
expect "the LAN reaches the host" answers 192.168.0.2 lan 0
state_save before
ln -sfn /usr/local/sbin/xbr-script /etc/xen/scripts/network-bridge
network_script network-bridge start
guest old <<'END'
vif = [ "mac=00:16:3e:00:00:11,bridge=xenbr0" ]
END
guest new pvh <<'END'
vif = [ "mac=00:16:3e:00:00:12,bridge=xenbr0" ]
END
n=1
for name in old new; do
	expect "$name has its addresses" in_guest $name "ip addr add 192.168.0.1$n/24 dev eth0 &&
		ip -6 addr add 2001:db8::1$n/64 dev eth0 && ip link set eth0 up"
	expect "$name reaches the LAN" reaches $name 192.168.0.1
	n=2
done
state_save up

# IPv4 and TCP to the PV guest, IPv6 to the PVH guest.
expect "old answers probes" in_guest old "probe serve 192.168.0.11 >/dev/null 2>&1 &"
expect "new answers probes" in_guest new "probe serve 2001:db8::12 >/dev/null 2>&1 &"
both() {
	expect "the LAN reaches old" answers 192.168.0.11 lan 0
	expect "the LAN reaches new over IPv6" answers 2001:db8::12 lan 0
	expect "the LAN reaches the host" answers 192.168.0.2 lan 0
}
both
probes_to 0 192.168.0.11 2001:db8::12
sleep 1
# xend 4.x runs start at its restart, and again when it is asked for its status.
for phase in restart again; do
	probes_phase $phase
	network_script network-bridge start
	sleep 1
done
state_same up
probes_phase stop
network_script network-bridge stop
expect "stopped: nobody answers" silent 192.168.0.11 lan 0
network_script network-bridge start
both
probes_phase started
sleep 2
probes_tallied
for phase in quiet restart again; do
	expect "$phase: none lost" none_lost $phase IPv4 IPv6 TCP
done
expect "the TCP connection lives on" none_lost stop TCP
expect "started: none lost" none_lost started IPv4 IPv6 TCP

for name in old new; do guest_gone $name; done
network_script network-bridge stop
expect "the LAN reaches the host" answers 192.168.0.2 lan 0
state_same before
