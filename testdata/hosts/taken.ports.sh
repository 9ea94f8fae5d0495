# $ xbr-script start vifnum=3 netdev=eth1
# ! xbr-script: cannot use the bridge xenbr3: it has the port lan1, which is not a guest's
# ! hint: give another bridge=; or, if lan1 is the way out, guests can use xenbr3 as it is (bridge=xenbr3 in their configuration)
# ! exit status 1
