# $ xbr-script start vifnum=0 netdev=eth0 antispoof=yes
# In short: no NIC moves; what is there already is mended or changed.
#   asked      192.168.0.1, 2001:db8::1: if some answer before, and none of
#              these afterwards, all is put back
#   link       stays on all the while
#
# guard xenbr0 against forged IPv4 addresses
printf '%s\n' '*raw' ':XBR-xenbr0 - [0:0]' '-A XBR-xenbr0 -j CT --notrack' '-A XBR-xenbr0 -m physdev --physdev-in peth0 -j RETURN' '-A XBR-xenbr0 -m physdev --physdev-in vif0.0 -j RETURN' '-A XBR-xenbr0 -s 192.168.0.0/24 -m addrtype --src-type LOCAL -j DROP' COMMIT '*filter' ':XBR-xenbr0 - [0:0]' '-A XBR-xenbr0 -m physdev --physdev-in peth0 --physdev-is-bridged -j ACCEPT' '-A XBR-xenbr0 -m physdev --physdev-in vif0.0 --physdev-is-bridged -j ACCEPT' '-A XBR-xenbr0 -j DROP' '-D FORWARD -i xenbr0 -j XBR-xenbr0' '-I FORWARD 1 -i xenbr0 -j XBR-xenbr0' COMMIT | iptables-restore --noflush --wait 5
# guard xenbr0 against forged IPv6 addresses
ip6tables -t raw -D PREROUTING -i xenbr0 -j XBR-xenbr0
ip6tables -t raw -D PREROUTING -i xenbr0 -j XBR-xenbr0
ip6tables -t raw -I PREROUTING 1 -i xenbr0 -j XBR-xenbr0
ip6tables -D INPUT -i xenbr0 -j XBR-xenbr0
ip6tables -I INPUT 1 -i xenbr0 -j XBR-xenbr0
