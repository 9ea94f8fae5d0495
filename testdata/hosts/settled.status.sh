# $ xbr-script status vifnum=0 netdev=eth0
xenbr0      not up
  NIC       eth0            up         00:16:3e:00:00:01
            192.168.0.20/24, fe80::216:3eff:fe00:1/64
  detached  vif1.0 vif2.0 vif3.0 vif4.0-emu
ip_forward  0
# ! exit status 3
