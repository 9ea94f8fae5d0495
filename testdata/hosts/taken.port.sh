# $ xbr-script start vifnum=5 netdev=lan1
# ! xbr-script: cannot put lan1 into xenbr5: it is a port of xenbr3
# ! hint: take it out first: ip link set dev lan1 nomaster
# ! exit status 1
