# $ xbr-script status
xenbr0      up                     00:16:3e:00:00:01
  NIC       peth0           up         00:16:3e:00:00:01
  dom0      xenbr0          up         00:16:3e:00:00:01 the bridge itself
            192.168.0.20/24, fe80::216:3eff:fe00:1/64
            default via 192.168.0.1 dev xenbr0
  guests    vif1.0, vif2.0, vif3.0, vif4.0-emu (off)
  note      xenbr0 has STP: a port that joins it waits 4 s
  note      eth9 is in the bridge, too, and will not come back with guests'
            ports: it is called as a NIC is
  antispoof no
ip_forward  0
