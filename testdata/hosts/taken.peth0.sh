# $ xbr-script start vifnum=0 netdev=eth0
# ! xbr-script: cannot use the name peth0 for xenbr0: there is an interface peth0 already
# ! hint: rename it: ip link set dev peth0 name peth0-old
# ! exit status 1
