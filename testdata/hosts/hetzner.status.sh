# $ xbr-script status netdev=eth0
xenbr0      not up
  NIC       eth0            up         52:54:00:12:00:01
            203.0.113.5/32, fe80::5054:ff:fe12:1/64, 2001:db8:5::1/64
  manager   systemd-networkd, 10-netplan-eth0.network
  because   vifnum=0, the digits that end eth0
ip_forward  0
# ! exit status 3
