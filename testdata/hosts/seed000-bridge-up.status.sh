# $ xbr-script status
dummy0      up                     00:16:3e:00:00:09
  NIC       pdummy0         up         00:16:3e:00:00:09
  dom0      dummy0          up         00:16:3e:00:00:09 the bridge itself
            fe80::216:3eff:fe00:9/64
  guests    none
  antispoof yes
            dom0 has its addresses on the bridge itself, so guests can send to
            dom0 itself from any address but dom0's own
  because   bridge=dummy0, the name of the NIC
eth0        up                     00:16:3e:00:00:01
  NIC       peth0           up         00:16:3e:00:00:01
  dom0      eth0            up         00:16:3e:00:00:01 the bridge itself
            192.168.0.20/24, fe80::216:3eff:fe00:1/64
            default via 192.168.0.1 dev eth0
  guests    none
  antispoof yes
            dom0 has its addresses on the bridge itself, so guests can send to
            dom0 itself from any address but dom0's own
  because   bridge=eth0, the name of the NIC
ip_forward  0
