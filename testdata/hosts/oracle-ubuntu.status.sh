# $ xbr-script status netdev=ens3
xenbr3      not up
  NIC       ens3            up         52:54:00:12:00:01
            192.0.2.100/24, fe80::5054:ff:fe12:1/64
  manager   systemd-networkd, 10-netplan-ens3.network
  because   vifnum=3, the digits that end ens3
ip_forward  0
# ! exit status 3
