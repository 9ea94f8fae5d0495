# $ xbr-script status netdev=enp1s0
xenbr0      not up
  NIC       enp1s0          up         52:54:00:12:00:01
            192.0.2.100/24, fe80::5054:ff:fe12:1/64
  manager   systemd-networkd, 99-ethernet-default-dhcp.network
  because   vifnum=0, the digits that end enp1s0
ip_forward  0
# ! exit status 3
