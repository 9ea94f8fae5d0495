# $ xbr-script start bridge=a --next bridge=b --next netdev=eth1 vifnum=7 antispoof=yes --next netdev=eth9 vifnum=8
# ! xbr-script: cannot tell a and b apart: both have netdev=eth0
# ! hint: give every bridge its own vifnum=, bridge= and netdev=
# ! xbr-script: cannot put eth0 into a bridge: mv0 (macvlan) takes its frames
# ! hint: remove it first, or give its users a port in the bridge instead
# ! xbr-script: cannot find the interface eth9
# ! hint: the host has lan0, eth0, lan1, eth1, mv0; name one with netdev=
# ! exit status 1
