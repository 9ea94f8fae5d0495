# $ xbr-script start vifnum=0 netdev=eth0 antispoof=yes
# In short: no NIC moves; what is there already is mended or changed.
#   asked      192.168.0.1, 2001:db8::1: if some answer before, and none of
#              these afterwards, all is put back
#   link       stays on all the while
#
# guard xenbr0 against forged IPv4 addresses
printf '%s\n' '*filter' ':XBR-xenbr0 - [0:0]' '-A XBR-xenbr0 -m physdev --physdev-in peth0 --physdev-is-bridged -j ACCEPT' '-A XBR-xenbr0 -m physdev --physdev-in vif0.0 --physdev-is-bridged -j ACCEPT' '-A XBR-xenbr0 -m physdev --physdev-is-bridged -j DROP' '-D INPUT -i xenbr0 -j XBR-xenbr0' COMMIT | iptables-restore --noflush --wait 5
# guard xenbr0 against forged IPv6 addresses
printf '%s\n' '*filter' ':XBR-xenbr0 - [0:0]' '-A XBR-xenbr0 -m physdev --physdev-in peth0 --physdev-is-bridged -j ACCEPT' '-A XBR-xenbr0 -m physdev --physdev-in vif0.0 --physdev-is-bridged -j ACCEPT' '-A XBR-xenbr0 -m physdev --physdev-is-bridged -m eui64 -j ACCEPT' '-A XBR-xenbr0 -p ipv6-icmp -m physdev --physdev-is-bridged -m icmp6 --icmpv6-type 133 -j ACCEPT' '-A XBR-xenbr0 -p ipv6-icmp -m physdev --physdev-is-bridged -m icmp6 --icmpv6-type 135 -j ACCEPT' '-A XBR-xenbr0 -p ipv6-icmp -m physdev --physdev-is-bridged -m icmp6 --icmpv6-type 136 -j ACCEPT' '-A XBR-xenbr0 -p ipv6-icmp -m physdev --physdev-is-bridged -m icmp6 --icmpv6-type 131 -j ACCEPT' '-A XBR-xenbr0 -p ipv6-icmp -m physdev --physdev-is-bridged -m icmp6 --icmpv6-type 132 -j ACCEPT' '-A XBR-xenbr0 -p ipv6-icmp -m physdev --physdev-is-bridged -m icmp6 --icmpv6-type 143 -j ACCEPT' '-A XBR-xenbr0 -s fe80::/10 -p udp -m physdev --physdev-is-bridged -m udp --sport 546 --dport 547 -j ACCEPT' '-A XBR-xenbr0 -m physdev --physdev-is-bridged -j DROP' '-D INPUT -i xenbr0 -j XBR-xenbr0' COMMIT | ip6tables-restore --noflush --wait 5
