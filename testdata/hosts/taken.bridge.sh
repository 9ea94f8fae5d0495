# $ xbr-script start vifnum=5 netdev=br5
# ! xbr-script: cannot put br5 into a bridge: it is a bridge itself
# ! hint: guests can use br5 as it is (bridge=br5 in their configuration); or name a NIC with netdev=
# ! exit status 1
