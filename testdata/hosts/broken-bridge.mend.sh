# $ xbr-script start vifnum=0 netdev=eth0 dom0=bridge
# In short: no NIC moves; what is there already is mended or changed.
#   asked      nobody, so it is not found out whether the network still works
#   link       stays on all the while
#
# mend that peth0 is not in eth0
ip link set dev peth0 master eth0
