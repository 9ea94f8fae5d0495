# $ xbr-script start netdev=
# ! xbr-script: netdev= is empty, and counts as not given: netdev=eth0 is meant
# ! xbr-script: cannot use the name peth0 for xenbr0: there is an interface peth0 already
# ! hint: rename it: ip link set dev peth0 name peth0-old
# ! exit status 1
