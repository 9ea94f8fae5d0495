# $ xbr-script status
xenbr0      up                     fe:ff:ff:ff:ff:ff
  NIC       peth0           up         fe:ff:ff:ff:ff:ff
  dom0      eth0            up         00:16:3e:00:00:01 by vif0.0
            10.23.1.7/24, fe80::216:3eff:fe00:1/64
            default via 10.23.1.254 dev eth0
  guests    none
  antispoof no
xenbr1      up                     fe:ff:ff:ff:ff:ff
  NIC       peth1           up         fe:ff:ff:ff:ff:ff
  dom0      eth1            up         00:16:3e:00:00:02 by vif0.1
            fe80::216:3eff:fe00:2/64
  guests    none
  antispoof no
xenbr2      up                     fe:ff:ff:ff:ff:ff
  NIC       peth2           up         fe:ff:ff:ff:ff:ff
  dom0      eth2            up         00:16:3e:00:00:03 by vif0.2
            fe80::216:3eff:fe00:3/64
  guests    none
  antispoof no
ip_forward  0
