# shellcheck shell=bash
# start and stop killed with a guest up: recover puts everything back, and the guest is reached
give 0 192.168.0.2/24 192.168.0.1/24
ip route add default via 192.168.0.1
xbr start
guest web <<'END'
vif = [ "mac=00:16:3e:48:75:ab" ]
END
expect "a guest whose vif line names no bridge is on xenbr0" is_port "vif$(xl domid web).0" xenbr0
expect "web has its address" in_guest web "ip addr add 192.168.0.11/24 dev eth0 && ip link set eth0 up"
expect "web reaches the LAN" reaches web 192.168.0.1
expect "web reaches dom0" reaches web 192.168.0.2
expect "xl network-attach gives it another NIC" xl network-attach web bridge=xenbr0
expect "on xenbr0" is_port "vif$(xl domid web).1" xenbr0

stop=$(counted stop)
expect "the LAN reaches the host" answers 192.168.0.2 lan 0
state_save down
start=$(counted start)
# From now on what start makes has its indexes behind the guest's port.
state_save up
expect "web reaches the LAN" reaches web 192.168.0.1

for _ in 1 2; do
	killed stop "$stop" start
	expect "the LAN reaches the host" answers 192.168.0.2 lan 0
	expect "web reaches the LAN" reaches web 192.168.0.1
	expect "web reaches dom0" reaches web 192.168.0.2
	state_same up
done
xbr stop
for _ in 1 2; do
	killed start "$start" stop
	expect "the LAN reaches the host" answers 192.168.0.2 lan 0
	state_same down
done
xbr start
expect "web reaches the LAN" reaches web 192.168.0.1
state_same up
