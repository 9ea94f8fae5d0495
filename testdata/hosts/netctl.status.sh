# $ xbr-script status netdev=eth0
xenbr0      not up
  NIC       eth0            up         52:54:00:12:00:01
            192.0.2.100/24, fe80::5054:ff:fe12:1/64
  manager   dhcpcd, for eth0 alone, run again
  because   vifnum=0, the digits that end eth0
ip_forward  0
# ! exit status 3
