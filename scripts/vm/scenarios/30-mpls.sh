# shellcheck shell=bash
# MPLS: packets with labels come in and leave by whatever has dom0's addresses, and so when a change is taken back
modprobe mpls_router
sysctl -qw net.mpls.platform_labels=1000 net.mpls.conf.eth0.input=1
give 0 192.168.0.2/24 192.168.0.1/24
give 1 192.168.1.2/24 192.168.1.1/24
# 101 goes back to where it came from as 201, 102 goes by another NIC as well.
ip -f mpls route add 101 as 201 via inet 192.168.0.1 dev eth0
ip -f mpls route add 102 nexthop as 202 via inet 192.168.0.1 dev eth0 nexthop as 203 via inet 192.168.1.1 dev eth1
routes() { ip -f mpls route | sort; }
lan 0 tc qdisc add dev wire clsact
lan 0 tc filter add dev wire ingress protocol mpls_uc matchall action pass
came() { lan 0 tc -s filter show dev wire ingress | awk '/Sent/ { print $4 }'; }
# swaps: what comes in with the label 101 leaves again with another one.
swaps() {
	local before
	before=$(came)
	for _ in 1 2 3; do
		lan 0 probe send wire 52:54:00:12:00:00 884700065140450000140000000040000000c0a80001c0a80002
		sleep 0.1
	done
	[ "$(came)" -gt "$before" ]
}
explain() {
	routes
	grep . /proc/sys/net/mpls/conf/*/input
}
as_before=$(routes)
expect "the LAN reaches the host" answers 192.168.0.2 lan 0
expect "labels are swapped" wait_for 20 swaps
for shape in '' dom0=bridge; do
	# shellcheck disable=SC2086 # it may be empty
	checked 0 start $shape
	says "moves MPLS: routes of the labels 101, 102: they leave by dom0's eth0"
	says "moves MPLS: packets with labels that come in by it (net/mpls/conf/eth0/input): dom0's eth0 lets them in"
	# shellcheck disable=SC2086 # it may be empty
	xbr start $shape confirm=600
	expect "labels are swapped" wait_for 20 swaps
	xbr recover
	expect "labels are swapped" wait_for 20 swaps
	# shellcheck disable=SC2086 # it may be empty
	xbr start $shape
	expect "labels are swapped" wait_for 20 swaps
	expect "the routes are the same, by name" test "$(routes)" = "$as_before"
	ip -f mpls route add 103 as 204 via inet 192.168.0.1 dev eth0
	xbr stop confirm=600
	expect "labels are swapped" wait_for 20 swaps
	xbr recover
	expect "labels are swapped" wait_for 20 swaps
	xbr stop
	expect "labels are swapped" wait_for 20 swaps
	expect "the one that was made meanwhile leaves by the NIC" test "$(routes | grep -c 'dev eth0')" = 3
	ip -f mpls route del 103
	expect "the routes are the same" test "$(routes)" = "$as_before"
done
