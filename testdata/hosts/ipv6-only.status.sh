# $ xbr-script status netdev=enp1s0
xenbr0      not up
  NIC       enp1s0          up         52:54:00:12:00:01
            fe80::5054:ff:fe12:1/64, 2001:db8:7::100/128,
            2001:db8:7:0:5054:ff:fe12:1/64
  manager   systemd-networkd, 20-ethernet.network
  because   vifnum=0, the digits that end enp1s0
ip_forward  0
# ! exit status 3
