# $ xbr-script start vifnum=2 netdev=eth1
# ! xbr-script: cannot use the name xenbr2 for xenbr2: it is an alternative name of lan1
# ! hint: take it off: ip link property del dev lan1 altname xenbr2
# ! exit status 1
