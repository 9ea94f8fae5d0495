# $ xbr-script stop bridge=xenbr9
# ! xbr-script: cannot stop bridge=xenbr9: xenbr0 is up with netdev=eth0 vifnum=0 dom0=veth
# ! hint: to stop it: xbr-script stop bridge=xenbr0 netdev=eth0
# ! exit status 1
