# $ xbr-script start vifnum=0 netdev=eth0 antispoof=yes ip_forward=1
# nothing to do: xenbr0 is up already
