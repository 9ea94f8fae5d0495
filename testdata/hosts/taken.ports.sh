# $ xbr-script start vifnum=3 netdev=eth1
# ! xbr-script: cannot use the bridge xenbr3: it has the port tap6, which is not a guest's: it is an ifb interface
# ! hint: give another bridge=; or, if tap6 is the way out, guests can use xenbr3 as it is (bridge=xenbr3 in their configuration)
# ! exit status 1
