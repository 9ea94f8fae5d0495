# $ xbr-script start netdev=enp1s0 dom0=bridge bridge=xenbr0
# ! xbr-script: cannot start xenbr0: dhcpcd looks after enp1s0 by that name, which no interface has then
# ! hint: leave out bridge=xenbr0: then the bridge is called enp1s0, and dhcpcd goes on
# ! exit status 1
