# $ xbr-script start netdev=eth0 dom0=bridge bridge=xenbr0
# ! xbr-script: cannot start xenbr0: dhcpcd looks after eth0 by that name, which no interface has then
# ! hint: leave out bridge=xenbr0: then the bridge is called eth0, and dhcpcd goes on
# ! exit status 1
