# $ xbr-script start vifnum=5 netdev=eth7
# ! xbr-script: cannot find the interface eth7
# ! hint: the host has lan0, eth0, eth1, veth1, xenbr4; name one with netdev=
# ! exit status 1
