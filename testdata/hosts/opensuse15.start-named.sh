# $ xbr-script start netdev=eth0 dom0=bridge bridge=xenbr0
# ! xbr-script: cannot start xenbr0: wicked looks after eth0, and does not follow to another interface
# ! hint: let NetworkManager configure it, in place of wicked, and reboot
# ! exit status 1
