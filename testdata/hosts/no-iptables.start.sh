# $ xbr-script start vifnum=0 netdev=eth0 antispoof=yes
# ! xbr-script: cannot change the rules for xenbr0: ip6tables is not installed
# ! hint: install the package iptables; only bridges without antispoof can do without it
# ! exit status 1
