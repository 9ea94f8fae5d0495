# $ xbr-script status netdev=ens4
xenbr4      not up
  NIC       ens4            up         52:54:00:12:00:01
            192.0.2.100/32, fe80::5054:ff:fe12:1/64
  manager   systemd-networkd, 10-netplan-ens4.network
  because   vifnum=4, the digits that end ens4
ip_forward  0
# ! exit status 3
