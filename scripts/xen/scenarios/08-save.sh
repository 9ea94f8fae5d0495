# shellcheck shell=bash
# Guests that are paused and go on, and that are saved and restored, while the network is stopped and started
needs "Debian 13" suite trixie
give 0 192.168.0.2/24 192.168.0.1/24
ip route add default via 192.168.0.1
expect "the LAN reaches the host" answers 192.168.0.2 lan 0
state_save before
xbr start
guest old <<'END'
vif = [ "mac=00:16:3e:00:00:11,bridge=xenbr0" ]
END
guest new pvh <<'END'
vif = [ "mac=00:16:3e:00:00:12,bridge=xenbr0" ]
END
expect "old has its address" in_guest old "ip addr add 192.168.0.11/24 dev eth0 && ip link set eth0 up && echo kept >/tmp/kept"
expect "new has its address" in_guest new "ip addr add 192.168.0.12/24 dev eth0 && ip link set eth0 up && echo kept >/tmp/kept"

both() {
	local name
	for name in old new; do
		expect "$name is on xenbr0" is_port "$(port $name 0)" xenbr0
		expect "$name reaches the LAN" reaches $name 192.168.0.1
		expect "$name reaches dom0" reaches $name 192.168.0.2
	done
	expect "old reaches new" reaches old 192.168.0.12
}
both

for name in old new; do expect "xl pause $name" xl pause $name; done
expect "paused, old does not answer" silent 192.168.0.11 lan 0
xbr stop
xbr start
for name in old new; do expect "xl unpause $name" xl unpause $name; done
both

for name in old new; do
	gone=$(port $name 0)
	saved $name
	expect "its port is gone" [ ! -e "/sys/class/net/$gone" ]
	expect "status says: up as asked" xbr-script status
	xbr stop
	xbr start
	restored $name
	expect "it is the guest that was saved" in_guest $name "cat /tmp/kept"
	both
done
for name in old new; do guest_gone $name; done
xbr stop
expect "the LAN reaches the host" answers 192.168.0.2 lan 0
state_same before
