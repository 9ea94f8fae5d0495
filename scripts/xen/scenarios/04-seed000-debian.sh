# shellcheck shell=bash
# The wrapper with Debian's vif-bridge as it is (bug #894013): guests=allow, with the guests up, lets them through
modprobe dummy numdummies=1
give 0 192.168.0.2/24 192.168.0.1/24
ip route add default via 192.168.0.1
ip -n lan0 addr add 203.0.113.10/32 dev lo
ip -n lan0 route add 192.168.1.0/24 via 192.168.0.30
expect "the LAN reaches the host" answers 192.168.0.2 lan 0

wrapper mybridge <<'END'
#!/bin/sh
dir=$(dirname $0)
 
${dir}/network-bridge "$@" vifnum=0 bridge=xenbr0 netdev=eth0 antispoof=yes
${dir}/network-bridge "$@" vifnum=1 bridge=xenbr1 netdev=dummy0 antispoof=yes

echo 0 >/proc/sys/net/ipv4/ip_forward
END
network_script mybridge start
expect "start names the reason and the ways out, for each bridge" \
	[ "$(grep -c 'xenbr[01]: no guest can send IPv4' /tmp/said)" -eq 2 ]

guest lvs <<'END'
vif = [ 
        "mac=00:16:3e:74:d4:bf,bridge=xenbr0",
        "mac=00:16:3e:74:d5:bf,bridge=xenbr1",
      ]
END
guest web1 <<'END'
vif = [ "mac=00:16:3e:48:75:ab,bridge=xenbr1" ]
END
expect "lvs has its addresses and forwards" in_guest lvs \
	'ip addr add 192.168.0.30/24 dev eth0 && ip addr add 192.168.1.10/24 dev eth1 &&
	ip link set eth0 up && ip link set eth1 up && ip route add default via 192.168.0.1 &&
	sysctl -w net.ipv4.ip_forward=1'
expect "web1 has its address, lvs is its router" in_guest web1 \
	"ip addr add 192.168.1.11/24 dev eth0 && ip link set eth0 up && ip route add default via 192.168.1.10"
expect "no rule lets web1 send" cut_off web1 203.0.113.10
expect "nor lvs" cut_off lvs 192.168.0.1

sed -i 's/antispoof=yes/antispoof=yes guests=allow/' /etc/xen/scripts/mybridge
network_script mybridge start
expect "with guests=allow web1 reaches the outside" reaches web1 203.0.113.10
network_script mybridge start
expect "also when xend restarts" reaches web1 203.0.113.10
