# $ xbr-script start vifnum=0 netdev=eth0 dom0=bridge
# ! xbr-script: cannot move eth0: ms0 (macsec) is bound to it and would be cut off
# ! hint: remove it, start, and make it again on the new eth0
# ! exit status 1
