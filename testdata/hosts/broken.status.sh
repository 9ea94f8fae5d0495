# $ xbr-script status
xenbr0      not as asked           fe:ff:ff:ff:ff:ff
  wrong     peth0 is not in xenbr0
  wrong     vif0.0 is switched off
  wrong     xenbr0 is switched off
  mend      xbr-script start bridge=xenbr0 netdev=eth0
  NIC       peth0           up         fe:ff:ff:ff:ff:ff
  dom0      eth0            no carrier 00:16:3e:00:00:01 by vif0.0
            192.168.0.2/24, fe80::216:3eff:fe00:1/64, 2001:db8::2/64
            default via 192.168.0.1 dev eth0
            default via 2001:db8::1 dev eth0 metric 1024
  guests    none
  antispoof no
ip_forward  0
# ! exit status 4
