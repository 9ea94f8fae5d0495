# $ xbr-script start vifnum=0 netdev=eth0 dom0=veth
# ! xbr-script: cannot start netdev=eth0 vifnum=0 dom0=veth: eth0 is up with netdev=eth0 vifnum=0 dom0=bridge
# ! hint: what is up stays as it is; for another, stop it first: xbr-script stop bridge=eth0 netdev=eth0
# ! exit status 1
