# $ xbr-script status netdev=ens5
xenbr5      not up
  NIC       ens5            up         52:54:00:12:00:01
            192.0.2.100/24, fe80::5054:ff:fe12:1/64
  manager   systemd-networkd, 70-ens5.network
  because   vifnum=5, the digits that end ens5
ip_forward  0
# ! exit status 3
