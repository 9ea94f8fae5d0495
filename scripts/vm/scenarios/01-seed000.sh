# shellcheck shell=bash
# Two bridges, the second on dummy0, antispoof=yes and no forwarding
modprobe dummy numdummies=1
give 0 192.168.0.2/24 192.168.0.1/24
ip route add default via 192.168.0.1
ip addr add 2001:db8::2/64 dev eth0
ip -n lan0 addr add 2001:db8::1/64 dev wire
expect "the LAN reaches the host" answers 192.168.0.2 lan 0
state_save before

xbr start vifnum=0 bridge=xenbr0 netdev=eth0 antispoof=yes \
	--next vifnum=1 bridge=xenbr1 netdev=dummy0 antispoof=yes ip_forward=0
expect "status says: up as asked" xbr-script status
expect "peth0 is a port of xenbr0" is_port peth0 xenbr0
expect "pdummy0 is a port of xenbr1" is_port pdummy0 xenbr1
expect "the LAN reaches the host" answers 192.168.0.2 lan 0
expect "the host reaches the LAN" answers 192.168.0.1
expect "the LAN reaches the host over IPv6" answers 2001:db8::2 lan 0
expect "the host reaches the LAN over IPv6" answers 2001:db8::1
expect "a second start changes nothing" xbr-script start

xbr stop
expect "the LAN reaches the host" answers 192.168.0.2 lan 0
state_same before
