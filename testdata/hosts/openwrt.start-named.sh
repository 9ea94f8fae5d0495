# $ xbr-script start netdev=eth1 dom0=bridge bridge=xenbr0
# ! xbr-script: cannot start xenbr0: netifd looks after eth1, and does not follow to another interface
# ! hint: let netifd make the bridge, by a device with the type bridge and the port eth1 in /etc/config/network; guests can use that as it is
# ! exit status 1
