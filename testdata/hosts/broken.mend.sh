# $ xbr-script start vifnum=0 netdev=eth0
# In short: no NIC moves; what is there already is mended or changed.
#   asked      nobody, so it is not found out whether the network still works
#   link       stays on all the while
#
# mend that peth0 is not in xenbr0
ip link set dev peth0 master xenbr0
# mend that vif0.0 is switched off
ip link set dev vif0.0 up
# mend that xenbr0 is switched off
ip link set dev xenbr0 up
