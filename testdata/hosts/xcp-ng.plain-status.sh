# $ xbr-script status
xenbr0      not up
  NIC       xenbr0          no carrier 52:54:00:12:00:01
            192.0.2.100/24
  manager   dhclient, xenbr0
  because   vifnum=0, the digits that end the default route's device xenbr0;
            netdev=xenbr0, the default route's device
ip_forward  0
# ! exit status 3
