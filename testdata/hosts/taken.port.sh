# $ xbr-script start vifnum=5 netdev=lan1
# ! xbr-script: cannot put lan1 into xenbr5: it is a port of xenbr3
# ! hint: guests can use xenbr3 as it is (bridge=xenbr3 in their configuration); or name another NIC with netdev=
# ! exit status 1
