# shellcheck shell=bash
# What is lost on the way, on virtio-net: probes from the LAN during start and stop
give 3 192.168.3.2/24 192.168.3.1/24
ip addr add 2001:db8:3::2/64 dev eth3
ip -n lan3 addr add 2001:db8:3::1/64 dev wire
expect "lan3 reaches the host over IPv6" answers 2001:db8:3::2 lan 3
state_save before
probes_begin 3 192.168.3.2 2001:db8:3::2
sleep 1
probes_phase start
xbr start netdev=eth3 vifnum=3 bridge=xenbr3
expect "lan3 reaches the host" answers 192.168.3.2 lan 3
expect "lan3 reaches the host over IPv6" answers 2001:db8:3::2 lan 3
probes_phase up
sleep 1
probes_phase stop
xbr stop
expect "lan3 reaches the host" answers 192.168.3.2 lan 3
expect "lan3 reaches the host over IPv6" answers 2001:db8:3::2 lan 3
probes_phase down
sleep 1
probes_end
state_same before
