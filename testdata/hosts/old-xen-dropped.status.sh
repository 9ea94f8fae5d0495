# $ xbr-script status
xenbr0      up                     fe:ff:ff:ff:ff:ff
  NIC       peth0           up         fe:ff:ff:ff:ff:ff
  dom0      eth0            up         00:16:3e:00:00:01 by vif0.0
            192.168.0.2/24, fe80::216:3eff:fe00:1/64, 2001:db8::2/64
            default via 192.168.0.1 dev eth0
            default via 2001:db8::1 dev eth0 metric 1024
  guests    none
  antispoof yes
            IPv6 of guests: only addresses made of their MAC; others: status -v
ip_forward  0
