# $ xbr-script start netdev=eth0 dom0=bridge
# ! xbr-script: cannot start eth0: it is not known who renews 192.0.2.100/24 of eth0, which expires in 86400 s
# ! hint: if nobody has to renew it, or somebody does who will find it on eth0, give: xbr-script start netdev=eth0 dom0=bridge lease=any
# ! exit status 1
