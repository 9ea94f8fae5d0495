# $ xbr-script start vifnum=0 netdev=eth0 dom0=bridge
# mend that peth0 is not in eth0
ip link set dev peth0 master eth0
