# $ xbr-script start vifnum=5 netdev=eth1 --next vifnum=6 netdev=eth1
# ! xbr-script: cannot use netdev=eth1 for two bridges (part 1 and part 2)
# ! hint: each bridge needs a netdev= of its own
# ! exit status 2
