# $ xbr-script start netdev=eth0 dom0=bridge bridge=xenbr0
# ! xbr-script: cannot start xenbr0: it is not known who renews 192.0.2.100/24 of eth0, which expires in 86400 s
# ! hint: if nobody has to renew it, or somebody does who will find it on xenbr0, give: xbr-script start netdev=eth0 dom0=bridge bridge=xenbr0 lease=any
# ! exit status 1
