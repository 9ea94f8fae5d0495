# $ xbr-script status --draw
 LAN   gateway 192.168.0.1
  |- peth0            up
  |
==+== xenbr0 ===================================================================
  |- eth9 ------------- [dom0] lan9
  |- vif0.0 ----------- [dom0] eth0            192.168.0.20/24
  |- vif1.0 ----------- [domain 1]
  |- vif2.0 ----------- [domain 2]
  |- vif3.0 ----------- [domain 3]
  `x vif4.0-emu ------- [domain 4]             off
