# $ xbr-script status
eth0        not as asked           00:16:3e:00:00:01
  wrong     peth0 is not in eth0
  mend      xbr-script start bridge=eth0 netdev=eth0
  NIC       peth0           up         00:16:3e:00:00:01
  dom0      eth0            no carrier 00:16:3e:00:00:01 the bridge itself
            192.168.0.2/24, fe80::216:3eff:fe00:1/64, 2001:db8::2/64
            default via 192.168.0.1 dev eth0
            default via 2001:db8::1 dev eth0 metric 1024
  guests    none
  antispoof no
  because   bridge=eth0, the name of the NIC
ip_forward  0
# ! exit status 4
