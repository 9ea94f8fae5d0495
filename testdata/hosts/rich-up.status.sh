# $ xbr-script status
xenbr0      up                     fe:ff:ff:ff:ff:ff
  NIC       peth0           up         fe:ff:ff:ff:ff:ff
  dom0      eth0            up         00:16:3e:00:00:01 by vif0.0
            10.5.0.2/24, 10.0.0.2/24, 10.1.0.2/24, 10.2.0.2/24, 10.3.0.2/24,
            10.4.0.2/32, 10.0.0.3/24, fe80::216:3eff:fe00:1/64, 2001:db8::2/64,
            2001:db8::3/64, 2001:db8::4/64, 2001:db8:1::2/64, 2001:db8:2::2/64
            default via 10.0.0.1 dev eth0 src 10.0.0.3
            default via fe80::1 dev eth0 metric 1024
  guests    none
  antispoof no
ip_forward  0
