# shellcheck shell=bash
# A start that nobody confirms comes back by itself
give 0 192.168.0.2/24 192.168.0.1/24
ip addr add 2001:db8::2/64 dev eth0
ip -n lan0 addr add 2001:db8::1/64 dev wire
ip route add default via 192.168.0.1
state_save before

xbr start confirm=5
expect "peth0 is a port of xenbr0" is_port peth0 xenbr0
for ((i = 0; i < 600; i++)); do
	[ -e /run/xbr-script/journal ] || break
	sleep 0.1
done
refute "it is no longer up" xbr-script status
expect "the LAN reaches the host" answers 192.168.0.2 lan 0
expect "the LAN reaches the host over IPv6" answers 2001:db8::2 lan 0
state_same before

xbr start confirm=60
xbr confirm
expect "a start that was confirmed is up" xbr-script status
xbr stop
state_same before
