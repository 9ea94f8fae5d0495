# $ xbr-script status
eth0        up                     00:16:3e:00:00:01
  NIC       peth0           up         00:16:3e:00:00:01
  dom0      eth0            up         00:16:3e:00:00:01 the bridge itself
            10.23.1.7/24, fe80::216:3eff:fe00:1/64
            default via 10.23.1.254 dev eth0
  guests    none
  antispoof no
  because   bridge=eth0, the name of the NIC
eth1        up                     00:16:3e:00:00:02
  NIC       peth1           up         00:16:3e:00:00:02
  dom0      eth1            up         00:16:3e:00:00:02 the bridge itself
            fe80::216:3eff:fe00:2/64
  guests    none
  antispoof no
  because   bridge=eth1, the name of the NIC
eth2        up                     00:16:3e:00:00:03
  NIC       peth2           up         00:16:3e:00:00:03
  dom0      eth2            up         00:16:3e:00:00:03 the bridge itself
            fe80::216:3eff:fe00:3/64
  guests    none
  antispoof no
  because   bridge=eth2, the name of the NIC
ip_forward  0
