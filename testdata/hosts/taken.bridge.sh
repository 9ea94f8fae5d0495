# $ xbr-script start vifnum=5 netdev=br5
# ! xbr-script: cannot put br5 into a bridge: it is a bridge itself
# ! hint: name the NIC that is to be its port with netdev=
# ! exit status 1
