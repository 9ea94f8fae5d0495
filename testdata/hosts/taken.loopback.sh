# $ xbr-script start vifnum=5 netdev=lo
# ! xbr-script: cannot put lo into a bridge: it is not an Ethernet interface
# ! hint: the host has lan0, eth0, eth1, veth1, xenbr4; name one with netdev=
# ! exit status 1
