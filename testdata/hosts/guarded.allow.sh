# $ xbr-script start vifnum=0 netdev=eth0 antispoof=yes guests=allow
# In short: no NIC moves; what is there already is mended or changed.
#   asked      192.168.0.1, 2001:db8::1: if some answer before, and none of
#              these afterwards, all is put back
#   link       stays on all the while
#
# guard xenbr0 against forged IPv4 addresses
printf '%s\n' '*filter' ':XBR-xenbr0 - [0:0]' '-A XBR-xenbr0 -m physdev --physdev-in peth0 --physdev-is-bridged -j ACCEPT' '-A XBR-xenbr0 -m physdev --physdev-in vif0.0 --physdev-is-bridged -j ACCEPT' '-A XBR-xenbr0 -m physdev --physdev-is-bridged -j ACCEPT' '-A XBR-xenbr0 -j DROP' COMMIT | iptables-restore --noflush --wait 5
# guard xenbr0 against forged IPv6 addresses
printf '%s\n' '*filter' ':XBR-xenbr0 - [0:0]' '-A XBR-xenbr0 -m physdev --physdev-in peth0 --physdev-is-bridged -j ACCEPT' '-A XBR-xenbr0 -m physdev --physdev-in vif0.0 --physdev-is-bridged -j ACCEPT' '-A XBR-xenbr0 -m physdev --physdev-is-bridged -j ACCEPT' '-A XBR-xenbr0 -j DROP' COMMIT | ip6tables-restore --noflush --wait 5
