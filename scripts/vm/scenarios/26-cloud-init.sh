# shellcheck shell=bash
# cloud-init, which names NICs and writes the files of whoever configures them: boot with the unit, a reset with the bridge up, and cloud-init run by hand while it is up
# Packages: cloud-init
needs "this machine's own kernel (scripts/vm/here.sh)" test -n "${HERE-}"
dhcp_server 0
mkdir -p /var/lib/dhcp /etc/xen /var/lib/cloud/seed/nocloud
# What packages' scripts would have done.
ln -sf nc.openbsd /usr/bin/nc
mkdir -p /etc/ssl/certs
cat /usr/share/ca-certificates/mozilla/*.crt >/etc/ssl/certs/ca-certificates.crt
touch /etc/resolv.conf

# What starts guests writes down what it finds.
cat >/usr/local/sbin/guests <<'END'
#!/bin/sh
bridge=no lan=no
xbr-script status >/dev/null 2>&1 && bridge=yes
ping -n -q -c 1 -W 5 192.168.0.1 >/dev/null 2>&1 && lan=yes
echo "guests $1: bridge $bridge, LAN $lan" >>/tmp/order
END
chmod 755 /usr/local/sbin/guests
printf '%s\n' '[Service]' Type=oneshot RemainAfterExit=yes 'ExecStart=/usr/local/sbin/guests start' 'ExecStop=/usr/local/sbin/guests stop' \
	'[Install]' WantedBy=multi-user.target >/etc/systemd/system/xendomains.service

# Of what it can do only what is about the network.
printf '%s\n' 'datasource_list: [NoCloud]' 'preserve_hostname: true' 'cloud_init_modules: []' 'cloud_config_modules: []' \
	'cloud_final_modules: []' 'users: []' >/etc/cloud/cloud.cfg.d/99-only.cfg
echo 'instance-id: first' >/var/lib/cloud/seed/nocloud/meta-data
echo '#cloud-config' >/var/lib/cloud/seed/nocloud/user-data

# Each of these is what cloud-init writes its network configuration for. Not netplan: what that
# makes goes by the permanent MAC address, and a veth has none.
eni() { echo 'source /etc/network/interfaces.d/*' >/etc/network/interfaces && systemctl -q enable networking; }
networkd() { systemctl -q enable systemd-networkd; }

# installed HOST DOM0: what is on the disk.
installed() {
	systemctl -q disable networking systemd-networkd 2>/dev/null || true
	rm -rf /etc/network/interfaces /etc/network/interfaces.d /etc/systemd/network/* /etc/udev/rules.d/70* /var/lib/dhcp/*
	mkdir -p /etc/network/interfaces.d
	busybox find /var/lib/cloud -mindepth 1 -maxdepth 1 ! -name seed -exec rm -rf {} +
	printf '%s\n' 'version: 2' 'ethernets:' '  first:' '    match:' '      macaddress: "52:54:00:12:00:00"' \
		"    set-name: $nic" '    dhcp4: true' >/var/lib/cloud/seed/nocloud/network-config
	printf '%s\n' 'system_info:' '  network:' "    renderers: ['$1']" >/etc/cloud/cloud.cfg.d/98-renderer.cfg
	"$1"
	systemctl -q enable xbr-script xendomains
	echo "netdev=$nic dom0=$2" >/etc/xen/xbr-script.conf
}

explain() {
	ip addr
	ip route
	cat /tmp/order
	grep -E 'WARN|ERR|renam|Renam' /var/log/cloud-init.log | tail -n 20
	busybox find /etc/network /etc/systemd/network /run/systemd/network /etc/udev/rules.d -type f
	journalctl --no-pager -o short-monotonic | tail -n 60
	systemctl list-jobs --no-pager
}

booted_up() {
	: >/tmp/order
	begin_systemd
	expect "guests have found the bridge and the LAN" grep -qx 'guests start: bridge yes, LAN yes' /tmp/order
	well
}
well() {
	expect "status says: up as asked" xbr-script status
	expect "nothing is on p$nic" on_nothing "p$nic"
	expect "the LAN reaches the host" answers 192.168.0.100 lan 0
	expect "the lease is renewed" renews "$nic"
}
on_nothing() { [ -z "$(ip -4 addr show "$1")" ]; }

# by_hand ARGUMENT...: cloud-init, while the bridge is up. It may fail. With dom0=bridge it
# would take the port for the NIC, and switch it off to rename it.
by_hand() {
	say "cloud-init $* while the bridge is up"
	inside cloud-init "$@" >/tmp/said 2>&1 || say "it has failed: $?"
	tail -n 4 /tmp/said | cut -c 1-300 | show
	inside udevadm settle
	well
}

# life HOST DOM0: of a machine.
life() {
	host=$1
	say "== $1, $nic, dom0=$2"
	as_new 0
	installed "$@"
	say "the first boot"
	booted_up
	show < <(busybox find /etc/network/interfaces.d /etc/systemd/network /run/systemd/network /etc/udev/rules.d -type f)
	xbr stop
	refute "cloud-init looks after the network" grep -q xbr-script /run/cloud-init/cloud.cfg
	expect "the lease is renewed" renews "$nic"
	xbr start
	by_hand init --local
	by_hand init
	reset

	say "boot after a reset"
	as_new 0
	booted_up
	say "cloud-init clean"
	inside cloud-init clean
	well
	reset

	say "boot after a reset, as new"
	as_new 0
	booted_up
	inside cloud-init clean
	by_hand init --local
	reset

	say "boot after a reset, as new, which cloud-init has seen while the bridge was up"
	as_new 0
	booted_up

	say "a reset with the bridge up, and a boot without the unit"
	systemctl -q disable xbr-script xendomains
	reset
	as_new 0
	begin_systemd
	refute "nothing is up" xbr-script status
	expect "the LAN reaches the host" answers 192.168.0.100 lan 0
	expect "the lease is renewed" renews "$nic"
	reset
}

xbr-script() { if [ -n "${init-}" ]; then inside xbr-script "$@"; else command xbr-script "$@"; fi; }

nic=eth0
mkdir -p /var/log
boot
reset
as_new 0
systemctl -q enable cloud-init-main cloud-init-local cloud-init-network
for host in ${HOSTS:-eni}; do
	for dom0 in ${SHAPES:-veth bridge}; do life "$host" "$dom0"; done
done
