# shellcheck shell=bash
# What is lost on the way: a probe a millisecond, on e1000 and virtio-net
for n in 0 3; do
	say "eth$n ($(basename "$(readlink "/sys/class/net/eth$n/device/driver")")):"
	give "$n" "192.168.$n.2/24" "192.168.$n.1/24"
	ip addr add "2001:db8:$n::2/64" dev "eth$n"
	ip -n "lan$n" addr add "2001:db8:$n::1/64" dev wire
	expect "lan$n reaches the host over IPv6" answers "2001:db8:$n::2" lan "$n"
	state_save "before-$n"
	probes_begin "$n" "192.168.$n.2" "2001:db8:$n::2"
	sleep 1
	probes_phase start
	xbr start "netdev=eth$n" "vifnum=$n" "bridge=xenbr$n"
	expect "lan$n reaches the host" answers "192.168.$n.2" lan "$n"
	expect "lan$n reaches the host over IPv6" answers "2001:db8:$n::2" lan "$n"
	probes_phase up
	sleep 1
	probes_phase stop
	xbr stop
	expect "lan$n reaches the host" answers "192.168.$n.2" lan "$n"
	expect "lan$n reaches the host over IPv6" answers "2001:db8:$n::2" lan "$n"
	probes_phase down
	sleep 1
	probes_end
	state_same "before-$n"
done
