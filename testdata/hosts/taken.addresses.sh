# $ xbr-script start vifnum=5 netdev=eth1 bridge=br5 dom0=bridge
# ! xbr-script: cannot use the bridge br5 as dom0's interface: it has addresses or routes of its own
# ! hint: give another bridge=, or take them off: ip addr flush dev br5
# ! exit status 1
