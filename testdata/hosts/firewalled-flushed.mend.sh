# $ xbr-script start vifnum=0 netdev=eth0 antispoof=yes ip_forward=1
# In short: no NIC moves; what is there already is mended or changed.
#   asked      192.168.0.1, 2001:db8::1: if some answer before, and none of
#              these afterwards, all is put back
#   link       stays on all the while
#
# guard xenbr0 against forged IPv4 addresses
iptables -A FORWARD -i xenbr0 -j XBR-xenbr0
# guard xenbr0 against forged IPv6 addresses
printf '%s\n' '*raw' ':XBR-xenbr0 - [0:0]' '-A XBR-xenbr0 -j CT --notrack' '-A XBR-xenbr0 -m physdev --physdev-in peth0 -j RETURN' '-A XBR-xenbr0 -m physdev --physdev-in vif0.0 -j RETURN' '-A XBR-xenbr0 -s 2001:db8::/64 -m addrtype --src-type LOCAL -j DROP' '-A XBR-xenbr0 -s fe80::/64 -m addrtype --src-type LOCAL -j DROP' '-I PREROUTING 1 -i xenbr0 -j XBR-xenbr0' COMMIT | ip6tables-restore --noflush --wait 5
# let frames for dom0 (00:16:3e:00:00:01) go to vif0.0 whoever claims that address
bridge fdb replace 00:16:3e:00:00:01 dev vif0.0 master static sticky
# set ip_forward to 1
sysctl -qw /net/ipv4/ip_forward=1
