# $ xbr-script status netdev=eth0
xenbr1      not up
  NIC       eth0            up         52:54:00:12:00:01
            fe80::5054:ff:fe12:1/64
  manager   none known
  because   vifnum=1, the next that is free after 0
ip_forward  0
# ! exit status 3
