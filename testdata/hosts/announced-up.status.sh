# $ xbr-script status
xenbr0      up                     fe:ff:ff:ff:ff:ff
  NIC       peth0           up         fe:ff:ff:ff:ff:ff
  dom0      eth0            up         00:16:3e:00:00:01 by vif0.0
            192.0.2.2/24, fe80::216:3eff:fe00:1/64, 2001:db8:1::2/64,
            2001:db8:1:0:216:3eff:fe00:1/64, 2001:db8:2:0:216:3eff:fe00:1/64
            default via fe80::7 dev eth0 proto ra metric 100 expires 899
            default via fe80::1 dev eth0 proto ra metric 1024 expires 1799
            default via fe80::2 dev eth0 proto ra metric 1024 pref low expires 899
            default via fe80::1 dev eth0 metric 2000
  guests    none
  antispoof no
ip_forward  0
