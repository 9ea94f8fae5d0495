# $ xbr-script status
xenbr0      not as asked           fe:ff:ff:ff:ff:ff
  wrong     iptables: nothing leads from FORWARD of filter to XBR-xenbr0
  wrong     ip6tables: the chain XBR-xenbr0 of raw lacks: -j CT --notrack; -m
            physdev --physdev-in peth0 -j RETURN; -m physdev --physdev-in vif0.0
            -j RETURN; -s 2001:db8::/64 -m addrtype --src-type LOCAL -j DROP; -s
            fe80::/64 -m addrtype --src-type LOCAL -j DROP
  wrong     ip6tables: nothing leads from PREROUTING of raw to XBR-xenbr0
  wrong     frames for dom0 (00:16:3e:00:00:01) go to whoever claims that
            address
  mend      xbr-script start bridge=xenbr0 netdev=eth0
  NIC       peth0           up         fe:ff:ff:ff:ff:ff
  dom0      eth0            up         00:16:3e:00:00:01 by vif0.0
            192.168.0.2/24, fe80::216:3eff:fe00:1/64, 2001:db8::2/64
            default via 192.168.0.1 dev eth0
            default via 2001:db8::1 dev eth0 metric 1024
  guests    none
  antispoof yes, but not in force
            IPv6 of guests: only addresses made of their MAC; others: status -v
ip_forward  0
# ! exit status 4
