# $ xbr-script status
xenbr0      not up
  NIC       eth0            up         00:16:3e:00:00:01
            192.168.0.20/24, fe80::216:3eff:fe00:1/64
  because   vifnum=0, the digits that end the default route's device eth0;
            netdev=eth0, the default route's device
ip_forward  0
# ! exit status 3
