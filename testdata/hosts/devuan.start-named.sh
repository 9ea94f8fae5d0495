# $ xbr-script start netdev=eth0 dom0=bridge bridge=xenbr0
# ! xbr-script: cannot start xenbr0: dhclient (pid 600) renews a lease by the name eth0, which no interface has then
# ! hint: leave out bridge=xenbr0: then the bridge is called eth0, and dhclient goes on
# ! exit status 1
