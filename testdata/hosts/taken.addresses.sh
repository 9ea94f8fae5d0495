# $ xbr-script start vifnum=5 netdev=eth1 bridge=br5 dom0=bridge
# ! xbr-script: cannot use the bridge br5 as dom0's interface: it has addresses or routes of its own
# ! hint: give another bridge=; guests can use br5 as it is (bridge=br5 in their configuration)
# ! xbr-script: cannot give the addresses of eth1 to br5: there is an ip rule for eth1 by its name
# ! hint: give bridge=eth1, and dom0's interface keeps its name
# ! exit status 1
