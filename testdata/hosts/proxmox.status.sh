# $ xbr-script status netdev=eno1
xenbr1      not up
  NIC       eno1            up         52:54:00:12:00:01
            fe80::5054:ff:fe12:1/64
  manager   none known
  because   vifnum=1, the digits that end eno1
ip_forward  0
# ! exit status 3
