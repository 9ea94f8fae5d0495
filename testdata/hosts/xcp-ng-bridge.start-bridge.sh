# $ xbr-script start netdev=eth0 dom0=bridge
# ! xbr-script: cannot put eth0 into eth0: it is a port of xenbr0
# ! hint: guests can use xenbr0 as it is (bridge=xenbr0 in their configuration); or name another NIC with netdev=
# ! exit status 1
