# shellcheck shell=bash
# Guests web1 and web2 reach the outside through lvs: two bridges by a wrapper, by one line, by the file; antispoof=yes
seed000
sysctl -qw net.ipv4.ip_forward=1
state_save before

upstream_vif_bridge
network_script mybridge start
expect "ip_forward is 0" grep -qx 0 /proc/sys/net/ipv4/ip_forward
for bridge in xenbr0 xenbr1; do
	expect "ip link show $bridge: UP BROADCAST RUNNING NOARP MTU:1500" \
		grep -q '<BROADCAST,NOARP,UP,LOWER_UP> mtu 1500 ' <(ip link show $bridge)
	expect "HWaddr FE:FF:FF:FF:FF:FF" grep -q 'link/ether fe:ff:ff:ff:ff:ff ' <(ip link show $bridge)
	expect "no address" [ -z "$(ip -br addr show $bridge | awk '{ print $3 }')" ]
done
expect "the LAN reaches the host" answers 192.168.0.2 lan 0

seed000_guests 1 2

# The article's bridges, and where its guests hang.
bridges() {
	brctl_shows "$1" <<-END
		bridge name	bridge id		STP enabled	interfaces
		xenbr0		8000.feffffffffff	no		peth0
									vif0.0
									vif$(xl domid lvs).0
		xenbr1		8000.feffffffffff	no		pdummy0
									vif0.1
									vif$(xl domid lvs).1
									vif$(xl domid web1).0
									vif$(xl domid web2).0
	END
}

outside() {
	local web
	for web in web1 web2; do
		expect "$web reaches the outside" reaches "$web" 203.0.113.10
	done
	expect "the LAN reaches the host" answers 192.168.0.2 lan 0
}

bridges "lvs on both, web1 and web2 on xenbr1"
outside
state_save up
pings_begin 0 192.168.1.11
network_script mybridge start
pings_end 0
expect "xend restarts: of $(answered 0) pings of web1 through lvs none is lost" none_missing 0
state_same up

network_script mybridge stop
expect "stopped: web1 does not reach the outside" cut_off web1 203.0.113.10
expect "the LAN reaches the host" answers 192.168.0.2 lan 0
network_script mybridge start
bridges "the guests are back"
outside
network_script mybridge stop
sysctl -qw net.ipv4.ip_forward=1 # the wrapper's own

xbr start vifnum=0 bridge=xenbr0 netdev=eth0 antispoof=yes \
	--next vifnum=1 bridge=xenbr1 netdev=dummy0 antispoof=yes ip_forward=0
bridges "the same by one line, with the guests"
outside
xbr stop

cat >/etc/xen/xbr-script.conf <<'END'
vifnum=0 bridge=xenbr0 netdev=eth0 antispoof=yes
vifnum=1 bridge=xenbr1 netdev=dummy0 antispoof=yes
ip_forward=0
END
xbr start
bridges "the same by the file, with the guests"
outside
expect "status says: up as asked" xbr-script status

guest_gone lvs
for web in web1 web2; do
	expect "without lvs $web does not reach the outside" cut_off $web 203.0.113.10
done
guest_gone web1
guest_gone web2
xbr stop
expect "the LAN reaches the host" answers 192.168.0.2 lan 0
state_same before
