# $ xbr-script status netdev=eth0 --draw
No bridge is up.

 LAN   gateway 192.168.0.1
  `- eth0 ------------- [dom0]                 192.168.0.100/24
# ! exit status 3
