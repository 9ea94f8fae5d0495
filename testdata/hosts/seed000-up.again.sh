# $ xbr-script start vifnum=0 netdev=eth0 antispoof=yes --next vifnum=1 netdev=dummy0 antispoof=yes ip_forward=0
# nothing to do: xenbr0 is up already; xenbr1 is up already
