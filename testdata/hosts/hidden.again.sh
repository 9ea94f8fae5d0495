# $ xbr-script start vifnum=0 netdev=eth0
# ! xbr-script: cannot put eth0 into a bridge: it is dom0's interface by the port vif0.0, and its NIC is missing
# ! hint: the host has lan1, eth1, eth0; name one with netdev=
# ! exit status 1
