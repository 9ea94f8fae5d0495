# $ xbr-script status --draw
===== eth0 ================================================== no NIC, no carrier
  `x itself ----------- [dom0] eth0            no carrier, 192.168.0.2/24,
                                               2001:db8::2/64

In no bridge:

  `- peth0 ------------ [dom0]                 not in eth0

eth0
  wrong     peth0 is not in eth0
  mend      xbr-script start bridge=eth0 netdev=eth0
# ! exit status 4
