# $ xbr-script status --draw
No bridge is up.

 LAN   gateway 192.168.0.1, 2001:db8::1
  `- eth0 ------------- [dom0]                 192.168.0.2/24, 2001:db8::2/64
# ! exit status 3
