# $ xbr-script start vifnum=0 netdev=eth0 antispoof=yes
# ! xbr-script: cannot guard xenbr0: there are rules for xenbr0 in iptables-nft, and iptables is now the one of legacy
# ! hint: start that with antispoof=no first, which removes them there
# ! exit status 1
