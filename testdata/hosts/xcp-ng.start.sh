# $ xbr-script start netdev=eth0
# ! xbr-script: cannot put eth0 into xenbr1: it is a port of ovs-system
# ! hint: guests can use a bridge of Open vSwitch as it is, by Xen's script vif-openvswitch; or name another NIC with netdev=
# ! exit status 1
