# $ xbr-script start vifnum=0 netdev=uplink bridge=br0 dom0=bridge
# ! xbr-script: cannot give the addresses of eth0 to br0: there is an ip rule for eth0 by its name
# ! hint: give bridge=eth0, and dom0's interface keeps its name
# ! exit status 1
