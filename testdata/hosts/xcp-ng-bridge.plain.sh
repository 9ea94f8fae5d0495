# $ xbr-script start
# ! xbr-script: cannot put xenbr0 into a bridge: it is a bridge itself
# ! hint: guests can use xenbr0 as it is (bridge=xenbr0 in their configuration); or name a NIC with netdev=
# ! exit status 1
