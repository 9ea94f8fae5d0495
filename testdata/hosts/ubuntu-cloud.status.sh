# $ xbr-script status netdev=eth0
xenbr0      not up
  NIC       eth0            up         52:54:00:12:00:00
            192.168.0.100/24, fe80::d0d3:aba7:286d:424b/64
  manager   systemd-networkd, 10-netplan-eth0.network
  because   vifnum=0, the digits that end eth0
ip_forward  0
# ! exit status 3
