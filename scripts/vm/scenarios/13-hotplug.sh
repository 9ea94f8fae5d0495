# shellcheck shell=bash
# A NIC that ifupdown brings up by allow-hotplug: start refuses, for systemd would run ifdown
printf '%s\n' 'allow-hotplug eth0' 'iface eth0 inet static' 'address 192.168.0.2/24' >/etc/network/interfaces
ip -n lan0 addr add 192.168.0.1/24 dev wire
rm /etc/init.d/networking # systemctl would look for the programs of another init
boot networking
expect "the LAN reaches the host" answers 192.168.0.2 lan 0
expect "ifup's unit is up" systemctl -q is-active ifup@eth0
expect "start refuses it" grep -q '^xbr-script: cannot rename eth0: systemd' <(xbr-script start 2>&1)
expect "ifup's unit is up" systemctl -q is-active ifup@eth0
expect "the LAN reaches the host" answers 192.168.0.2 lan 0

# What would become of it. It is why.
ip link set eth0 down
ip link set eth0 name peth0
expect "systemd ends ifup's unit when the NIC has another name" wait_for 100 ended ifup@eth0
