# $ xbr-script status --draw
 LAN   gateway 192.168.0.1, 2001:db8::1
  |- peth0            up
  |
==+== xenbr0 ===================================================================
  `- vif0.0 ----------- [dom0] eth0            192.168.0.2/24, 2001:db8::2/64

In no bridge:

  `- eth0.5 ----------- [dom0]                 vlan on peth0
                                               10.5.0.2/24

  `- eth0.6 ----------- [dom0]                 vlan on peth0
                                               10.6.0.2/24
