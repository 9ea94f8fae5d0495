# $ xbr-script start vifnum=0 netdev=eth0
# nothing to do: xenbr0 is up already
