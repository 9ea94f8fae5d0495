# $ xbr-script status
xenbr0      up                     fe:ff:ff:ff:ff:ff
  NIC       peth0           up         fe:ff:ff:ff:ff:ff
  dom0      eth0            up         00:16:3e:00:00:01 by vif0.0
            192.168.0.20/24, fe80::216:3eff:fe00:1/64
            default via 192.168.0.1 dev eth0
  guests    none
  antispoof yes
xenbr1      up                     fe:ff:ff:ff:ff:ff
  NIC       pdummy0         up         00:16:3e:00:00:09
  dom0      dummy0          up         00:16:3e:00:00:09 by vif0.1
            fe80::216:3eff:fe00:9/64
  guests    none
  antispoof yes
ip_forward  0
