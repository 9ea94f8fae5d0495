# $ xbr-script start netdev=eth0
# ! xbr-script: cannot start xenbr0: runsv would start dhcpcd (pid 301) again amid the change
# ! hint: let it be started once, at boot, and not by runsv
# ! exit status 1
