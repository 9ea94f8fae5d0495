# $ xbr-script status
xenbr0      not as asked           fe:ff:ff:ff:ff:ff
  wrong     iptables: the chain XBR-xenbr0 of raw has a foreign rule: -s
            192.0.2.1/32 -j DROP
  wrong     iptables: the chain XBR-xenbr0 of filter has a foreign rule: -j
            ACCEPT
  wrong     iptables: in FORWARD, XBR-xenbr0 is at the wrong place: another rule
            decides before it: -i xenbr0 -m physdev --physdev-is-bridged -j
            ACCEPT
  wrong     ip6tables: PREROUTING leads to XBR-xenbr0 more than once
  wrong     ip6tables: in INPUT, XBR-xenbr0 is at the wrong place: another rule
            decides before it: -j ACCEPT
  mend      xbr-script start bridge=xenbr0 netdev=eth0
  NIC       peth0           up         fe:ff:ff:ff:ff:ff
  dom0      eth0            up         00:16:3e:00:00:01 by vif0.0
            192.168.0.2/24, fe80::216:3eff:fe00:1/64, 2001:db8::2/64
            default via 192.168.0.1 dev eth0
            default via 2001:db8::1 dev eth0 metric 1024
  guests    vif1.0 (no carrier), vif2.0 (no carrier)
  antispoof yes, but not in force
            IPv6 of guests: only addresses made of their MAC; others: status -v
ip_forward  0
# ! exit status 4
