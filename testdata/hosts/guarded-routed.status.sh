# $ xbr-script status
xenbr0      not as asked           fe:ff:ff:ff:ff:ff
  wrong     iptables: the chain XBR-xenbr0 of filter lacks: -m physdev
            --physdev-is-bridged -j DROP
  wrong     iptables: INPUT leads to XBR-xenbr0, which is not needed
  wrong     ip6tables: the chain XBR-xenbr0 of filter lacks: -m physdev
            --physdev-is-bridged -j DROP
  wrong     ip6tables: INPUT leads to XBR-xenbr0, which is not needed
  mend      xbr-script start bridge=xenbr0 netdev=eth0
  NIC       peth0           up         fe:ff:ff:ff:ff:ff
  dom0      eth0            up         00:16:3e:00:00:01 by vif0.0
            192.168.0.2/24, fe80::216:3eff:fe00:1/64, 2001:db8::2/64
            default via 192.168.0.1 dev eth0
            default via 2001:db8::1 dev eth0 metric 1024
  guests    vif1.0 (no carrier), vif2.0 (no carrier)
  antispoof yes, but not in force
            it has IP addresses itself, so what guests send to dom0 by its MAC
            address is not judged
            no rule lets vif2.0 send IPv4; allow it: iptables -I FORWARD -m
            physdev --physdev-is-bridged --physdev-in vif2.0 -s ADDRESS -j
            ACCEPT
            IPv6 of guests: only addresses made of their MAC; others: status -v
ip_forward  0
# ! exit status 4
