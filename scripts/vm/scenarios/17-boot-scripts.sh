# shellcheck shell=bash
# The boot scripts for OpenRC and for LSB: bridges are there after the network and before guests, and go after these
printf '%s\n' 'auto eth0' 'iface eth0 inet static' 'address 192.168.0.2/24' >/etc/network/interfaces
ip -n lan0 addr add 192.168.0.1/24 dev wire
mkdir -p /etc/xen /run/network
echo 'bridge=xenbr0 netdev=eth0' >/etc/xen/xbr-script.conf
explain() { cat /tmp/started /tmp/order 2>/dev/null; ip addr; }

# Only what this is about is started here: the network, the bridges, and what starts
# guests, which writes down what it finds.
busybox find /etc/init.d /etc/rc?.d -mindepth 1 ! -type d ! -name functions.sh -exec rm {} +
cat >/etc/init.d/networking <<'END'
#!/bin/sh
### BEGIN INIT INFO
# Provides:       networking
# Required-Start:
# Required-Stop:
# Default-Start:  S
# Default-Stop:   0
### END INIT INFO
case $1 in
start) exec ifup -a ;;
stop) exec ifdown -a ;;
esac
END
cat >/etc/init.d/xendomains <<'END'
#!/bin/sh
### BEGIN INIT INFO
# Provides:       xendomains
# Required-Start: $network
# Required-Stop:  $network
# Default-Start:  2
# Default-Stop:   0
### END INIT INFO
case $1 in
start | stop)
	xbr-script status >/dev/null 2>&1
	echo "guests $1: $?" >>/tmp/order
	;;
esac
END
# Not all that configure NICs are called $network: Debian's dhcpcd is not.
cat >/etc/init.d/dhcpcd <<'END'
#!/bin/sh
### BEGIN INIT INFO
# Provides:       dhcpcd
# Required-Start: $remote_fs
# Required-Stop:  $remote_fs
# Default-Start:  2
# Default-Stop:   0
### END INIT INFO
case $1 in
start | stop)
	xbr-script status >/dev/null 2>&1 && bridge=up || bridge=down
	echo "dhcpcd $1: bridge $bridge" >>/tmp/order
	;;
esac
END
chmod 755 /etc/init.d/{networking,xendomains,dhcpcd}

# up_at_boot, down_at_the_end: after all was started, and after all was stopped.
up_at_boot() {
	show </tmp/started
	expect "status says: up as asked" xbr-script status
	expect "the LAN reaches the host" answers 192.168.0.2 lan 0
}
down_at_the_end() {
	show </tmp/started
	refute "nothing is up" xbr-script status
	expect "the NIC is the host's again" ip link show eth0
	refute "ifdown has taken its address off" grep . <(ip -4 addr show eth0)
	refute "it has no second name" ip link show peth0
	expect "the bridge was there for guests, at the beginning and at the end" \
		diff /tmp/order <(printf '%s\n' 'dhcpcd start: bridge down' 'guests start: 0' 'guests stop: 0' 'dhcpcd stop: bridge down')
	rm /tmp/order
}

say "LSB"
cp /vm/xbr-script.sysv /etc/init.d/xbr-script
mkdir -p /etc/rc{0,1,2,3,4,5,6,S}.d
expect "insserv puts them in order" insserv -f networking dhcpcd xbr-script xendomains
# in_order LEVEL LETTER COMMAND: what sysv-rc does with a runlevel.
in_order() {
	local script
	for script in /etc/rc"$1".d/"$2"*; do
		"$script" "$3" || return
	done
}
expect "all is started" in_order S S start
expect "all is started" in_order 2 S start
: >/tmp/started
up_at_boot
expect "all is stopped" in_order 0 K stop
down_at_the_end

say "OpenRC"
rm -rf /etc/rc?.d /etc/runlevels/*/*
cp /vm/xbr-script.openrc /etc/init.d/xbr-script
touch /etc/profile
mkdir -p /etc/runlevels/{sysinit,boot,default,shutdown}
for service in xbr-script xendomains networking dhcpcd; do
	rc-update -q add "$service" default
done
# runlevels LEVEL...: has OpenRC go through these.
runlevels() {
	local level
	for level; do openrc --nocolor "$level" >>/tmp/started 2>&1 || return; done
}
expect "OpenRC starts all" runlevels sysinit boot default
up_at_boot
expect "it says so" grep -q started <(rc-service --nocolor xbr-script status 2>&1)
: >/tmp/started
expect "OpenRC stops all" runlevels shutdown
down_at_the_end
