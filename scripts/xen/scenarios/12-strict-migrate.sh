# shellcheck shell=bash
# antispoof=strict: live migration, from the machine to itself: a guest has stopped where it was before its port comes, and forges nowhere
# Debian's Xen 4.20 keeps no log of the memory that PV guests write to, and 4.17 has no PVH
# guests under QEMU.
suite bookworm && kind=pv || kind=pvh
give 0 192.168.0.2/24 192.168.0.1/24
ip route add default via 192.168.0.1
expect "the LAN reaches the host" answers 192.168.0.2 lan 0
state_save before
ln -sfn /usr/local/sbin/xbr-script /etc/xen/scripts/vif-xbr
cat >/etc/xen/scripts/vif-order <<'END'
#!/bin/sh
{ echo "== $1 $vif"; xl list; } >>/tmp/order
exec /etc/xen/scripts/vif-xbr "$@"
END
chmod 755 /etc/xen/scripts/vif-order
echo 'vif.default.script="vif-order"' >>/etc/xen/xl.conf

one=00:16:3e:00:00:11
xbr start antispoof=strict
guest one "$kind" <<<"vif = [ \"mac=$one,ip=192.168.0.11,bridge=xenbr0\" ]"
expect "one has its address" in_guest one "ip addr add 192.168.0.11/24 dev eth0 && ip link set eth0 up && echo kept >/tmp/kept"
both() {
	expect "one reaches the LAN" reaches one 192.168.0.1
	expect "one reaches dom0" reaches one 192.168.0.2
	expect "status says: up as asked" xbr-script status
}
both

old=$(xl domid one)
: >/tmp/order
pings_begin 0 192.168.0.11
expect "xl migrate one" xl migrate -s '' one 'xl migrate-receive'
new=$(xl domid one)
tty=$(xenstore-read "/local/domain/$new/console/tty")
stty -F "$tty" raw -echo
echo "$tty" >/tmp/tty.one
pings_end 0
say "domain $old is domain $new; of $(grep -o 'icmp_seq=[0-9]*' /tmp/pings.0 | cut -d= -f2 | sort -n | tail -n 1) pings $(answered 0) were answered"
show </tmp/order
# at_online STATE...: what xl list said of the old domain when the new port came.
at_online() { awk -v old="$old" -v port="vif$new.0" '/^==/ { here = $2 == "online" && $3 == port } here && $2 == old { print $5; n++ } END { exit !n }' /tmp/order; }
expect "when its new port came, one had stopped as domain $old" grep -q '^...s' <(at_online)
expect "it is the guest that was moved" in_guest one "cat /tmp/kept"
both
expect "status has its new port alone" [ "$(xbr-script status | grep -c " $one ")" = 1 ]
refute "status knows nothing of the old one" grep -q "vif$old\." <(xbr-script status)

ip netns exec lan0 probe hear wire >/tmp/heard &
hearing=$!
until grep -qx hearing /tmp/heard; do sleep 0.1; done
in_guest one "ping -c 1 -W 1 192.168.0.1; ip addr add 192.168.0.99/32 dev eth0; ping -c 2 -W 1 -I 192.168.0.99 192.168.0.1; ip addr del 192.168.0.99/32 dev eth0; true" >/dev/null
kill "$hearing"
expect "passes: one as itself" grep "^$one .* IPv4 192.168.0.11 to 192.168.0.1 " /tmp/heard
refute "stopped: one as a stranger" grep "^$one .* IPv4 192.168.0.99 to 192.168.0.1 " /tmp/heard

guest_gone one
xbr stop
expect "the LAN reaches the host" answers 192.168.0.2 lan 0
state_same before
