# $ xbr-script start vifnum=0 netdev=eth0
# ! xbr-script: cannot put eth0 into a bridge: mv0 (macvlan) takes its frames
# ! hint: remove it first, or give its users a port in the bridge instead
# ! exit status 1
