# $ xbr-script status netdev=enp1s0
xenbr0      not up
  NIC       enp1s0          up         52:54:00:12:00:01
            203.0.113.5/32, fe80::5054:ff:fe12:1/64, 2001:db8:5::2/64
  manager   systemd-networkd, 10-enp1s0.network
  because   vifnum=0, the digits that end enp1s0
ip_forward  0
# ! exit status 3
