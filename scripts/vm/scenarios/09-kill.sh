# shellcheck shell=bash
# start killed at moments of chance: recover puts everything back
give 0 192.168.0.2/24 192.168.0.1/24
ip addr add 192.168.0.3/24 dev eth0 label eth0:a
ip addr add 2001:db8::2/64 dev eth0
ip -n lan0 addr add 2001:db8::1/64 dev wire
ip route add default via 192.168.0.1
ip -6 route add default via 2001:db8::1
ip link add link eth0 name eth0.10 type vlan id 10
ip link set eth0.10 up
ip addr add 2001:db8:10::2/64 dev eth0.10
state_save before

begin=$EPOCHREALTIME
xbr start
took=$(since "$begin")
xbr stop
state_same before

for _ in 1 2 3 4 5 6; do
	moment=$(awk -v took="$took" -v r="$RANDOM" 'BEGIN { printf "%.2f", took * (0.2 + 0.8 * r / 32768) }')
	xbr-script -v start >/tmp/said 2>&1 </dev/null &
	sleep "$moment"
	kill -KILL "$!" 2>/dev/null || true
	wait "$!" 2>/dev/null || true
	say "killed after $moment s and $(grep -c '^+' /tmp/said || true) commands: $(tail -n 1 /tmp/said)"
	xbr recover
	# If it had ended before it was killed.
	xbr-script status >/dev/null 2>&1 && xbr stop
	expect "the LAN reaches the host" answers 192.168.0.2 lan 0
	expect "the LAN reaches the host over IPv6" answers 2001:db8::2 lan 0
	state_same before
done
