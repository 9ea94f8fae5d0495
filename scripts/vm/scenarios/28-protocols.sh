# shellcheck shell=bash
# What protocols of the kernel's own hold of a NIC: RDMA, TIPC and FCoE, named beforehand, and what is said of each is what becomes of it
needs "rdma_rxe of Linux 6.12, for that of 6.1 takes no more connections once one has lost its address" suite trixie forky sid
modprobe -a rdma_rxe rdma_ucm tipc fcoe

# linked: TIPC's nodes have a link.
linked() { tipc link list | grep -v '^broadcast-link' | grep -q ': up'; }
unlinked() { ! linked; }
tipc_anew() {
	tipc bearer enable media eth device eth0
	wait_for 30 linked
}

# rdma_port PORT TIMES SECONDS: data goes by the NIC's device of RDMA to dom0's own address, so often, within that time.
rdma_port() {
	rping -s -p "$1" -C "$2" >/tmp/server 2>&1 &
	echo "$!" >/tmp/pid.server
	sleep 1
	timeout "$3" rping -c -p "$1" -a 192.168.0.2 -C "$2" -v >/tmp/client 2>&1 &
	echo "$!" >/tmp/pid.client
}
connects() {
	local status=0
	rdma_port 7777 1 10
	wait "$(cat /tmp/pid.client)" || status=$?
	ends
	return "$status"
}
ends() { kill "$(cat /tmp/pid.client)" "$(cat /tmp/pid.server)" 2>/dev/null || true; }
# streams: a connection that lasts. stands: nothing has gone by it for a second.
streams() {
	rdma_port 7778 10000000 600
	wait_for 30 grep -q 'rdma-ping-9:' /tmp/client
}
stands() {
	local before
	before=$(wc -c </tmp/client)
	sleep 1
	[ "$(wc -c </tmp/client)" = "$before" ]
}

explain() { cat /tmp/server /tmp/client; }

give 0 192.168.0.2/24 192.168.0.1/24
rdma link add rxe0 type rxe netdev eth0
tipc node set identity 2222222222222222
lan 0 tipc node set identity 1111111111111111
lan 0 tipc bearer enable media eth device wire
echo eth0 >/sys/module/libfcoe/parameters/create

for shape in dom0=veth dom0=bridge; do
	expect "before: TIPC's nodes are linked" tipc_anew
	expect "before: connections of RDMA" connects
	streams
	checked 4 "$shape"
	says 'will break TIPC: bearer eth:eth0'
	says 'will break FCoE: controller ctlr_'
	case $shape in
	dom0=veth) says 'will break RDMA: device rxe0: .*give dom0=bridge' ;;
	dom0=bridge) says 'will break RDMA: device rxe0: its connections end' ;;
	esac
	xbr start "$shape"
	expect "what breaks was said" grep -q 'will break: RDMA' /tmp/said
	expect "the connection of RDMA stands still" stands
	ends
	expect "TIPC's nodes are not linked any more" wait_for 60 unlinked
	expect "enabled anew on dom0's interface, TIPC's nodes are linked" tipc_anew
	case $shape in
	dom0=veth) refute "there are no connections of RDMA to dom0's address" connects ;;
	dom0=bridge) expect "there are connections of RDMA again" wait_for 5 connects && streams ;;
	esac

	checked 4 stop
	says 'will break TIPC: bearer eth:eth0'
	if [ "$shape" = dom0=bridge ]; then
		says 'will break RDMA: device rxe0: its connections end'
	else
		refute "of RDMA nothing is said" grep RDMA /tmp/checked
	fi
	xbr stop
	if [ "$shape" = dom0=bridge ]; then
		expect "the connection of RDMA stands still" stands
		ends
	fi
	expect "there are connections of RDMA again" wait_for 5 connects
	expect "TIPC's nodes are not linked any more" wait_for 60 unlinked
done
