# $ xbr-script start vifnum=0 netdev=eth0 antispoof=yes
# ! xbr-script: cannot guard xenbr0: this kernel (6.1.0) has no xt_physdev
# ! hint: install the kernel's modules, or start with antispoof=no
# ! exit status 1
