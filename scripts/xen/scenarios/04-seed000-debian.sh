# shellcheck shell=bash
# The wrapper with Debian's vif-bridge as it is (bug #894013): guests=allow, with the guests up, lets them through
seed000
network_script mybridge start
expect "start names the reason and the ways out, for each bridge" \
	[ "$(grep -c 'xenbr[01]: no guest can send IPv4' /tmp/said)" -eq 2 ]

seed000_guests 1
expect "no rule lets web1 send" cut_off web1 203.0.113.10
expect "nor lvs" cut_off lvs 192.168.0.1

sed -i 's/antispoof=yes/antispoof=yes guests=allow/' /etc/xen/scripts/mybridge
network_script mybridge start
expect "with guests=allow web1 reaches the outside" reaches web1 203.0.113.10
network_script mybridge start
expect "also when xend restarts" reaches web1 203.0.113.10
