# $ xbr-script start vifnum=3 netdev=eth1
# ! xbr-script: cannot use the bridge xenbr3: it has the port lan1, which is not a guest's
# ! hint: give another bridge=, or take the port out: ip link set dev lan1 nomaster
# ! exit status 1
