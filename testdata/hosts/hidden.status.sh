# $ xbr-script status
xenbr0      not up
  NIC       eth0            up         00:16:3e:00:00:01
            192.168.0.2/24, fe80::216:3eff:fe00:1/64, 2001:db8::2/64
ip_forward  0
# ! exit status 3
