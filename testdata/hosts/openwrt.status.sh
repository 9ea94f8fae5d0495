# $ xbr-script status netdev=eth1
xenbr1      not up
  NIC       eth1            up         52:54:00:12:00:01
            192.0.2.100/24, fe80::5054:ff:fe12:1/64
  manager   udhcpc, eth1
  because   vifnum=1, the digits that end eth1
ip_forward  0
# ! exit status 3
