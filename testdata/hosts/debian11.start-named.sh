# $ xbr-script start netdev=ens3 dom0=bridge bridge=xenbr0
# ! xbr-script: cannot start xenbr0: dhclient (pid 600) renews a lease by the name ens3, which no interface has then
# ! hint: leave out bridge=xenbr0: then the bridge is called ens3, and dhclient goes on
# ! exit status 1
