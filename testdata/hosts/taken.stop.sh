# $ xbr-script stop
# ! xbr-script: cannot take xenbr0 down: vif0.0 is not dom0's port for eth0
# ! hint: name the vifnum= that start had
# ! exit status 1
