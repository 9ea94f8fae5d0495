# $ xbr-script start vifnum=1 netdev=eth1
# ! xbr-script: cannot use the name veth1 for xenbr1: there is an interface veth1 already
# ! hint: use another vifnum=, or remove it: ip link del dev veth1
# ! exit status 1
