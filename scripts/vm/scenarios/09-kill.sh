# shellcheck shell=bash
# start and stop killed at moments of chance: recover puts everything back
give 0 192.168.0.2/24 192.168.0.1/24
ip addr add 192.168.0.3/24 dev eth0 label eth0:a
ip addr add 2001:db8::2/64 dev eth0
ip -n lan0 addr add 2001:db8::1/64 dev wire
ip route add default via 192.168.0.1
ip -6 route add default via 2001:db8::1
ip link add link eth0 name eth0.10 type vlan id 10
ip link set eth0.10 up
ip addr add 192.168.10.2/24 dev eth0.10
ip addr add 2001:db8:10::2/64 dev eth0.10
ip route add 10.10.0.0/16 via 192.168.10.1

reached() {
	expect "the LAN reaches the host" answers 192.168.0.2 lan 0
	expect "the LAN reaches the host over IPv6" answers 2001:db8::2 lan 0
}

state_save before
start=$(counted start)
state_save up
stop=$(counted stop)
state_same before

for _ in 1 2 3; do
	killed start "$start" stop
	reached
	state_same before
done
xbr start
for _ in 1 2; do
	killed stop "$stop" start
	reached
	state_same up
done
