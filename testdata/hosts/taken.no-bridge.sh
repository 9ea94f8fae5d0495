# $ xbr-script start vifnum=4 netdev=eth1
# ! xbr-script: cannot use xenbr4: it is not a bridge
# ! hint: give another bridge=
# ! exit status 1
