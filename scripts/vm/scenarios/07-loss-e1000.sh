# shellcheck shell=bash
# What is lost on the way, on e1000: probes from the LAN during start and stop
give 0 192.168.0.2/24 192.168.0.1/24
ip addr add 2001:db8:0::2/64 dev eth0
ip -n lan0 addr add 2001:db8:0::1/64 dev wire
expect "lan0 reaches the host over IPv6" answers 2001:db8:0::2 lan 0
state_save before
probes_begin 0 192.168.0.2 2001:db8:0::2
sleep 1
probes_phase start
xbr start netdev=eth0 vifnum=0 bridge=xenbr0
expect "lan0 reaches the host" answers 192.168.0.2 lan 0
expect "lan0 reaches the host over IPv6" answers 2001:db8:0::2 lan 0
probes_phase up
sleep 1
probes_phase stop
xbr stop
expect "lan0 reaches the host" answers 192.168.0.2 lan 0
expect "lan0 reaches the host over IPv6" answers 2001:db8:0::2 lan 0
probes_phase down
sleep 1
probes_end
state_same before
