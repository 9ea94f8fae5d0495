# $ xbr-script start
# ! xbr-script: cannot put xenbr0 into a bridge: it is an interface of Open vSwitch
# ! hint: guests can use a bridge of Open vSwitch as it is, by Xen's script vif-openvswitch; or name a NIC with netdev=
# ! exit status 1
