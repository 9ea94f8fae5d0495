# $ xbr-script start vifnum=0 netdev=eth0 ip_forward=0
# In short: no NIC moves; what is there already is mended or changed.
#   asked      192.168.0.1, 2001:db8::1: if some answer before, and none of
#              these afterwards, all is put back
#   link       stays on all the while
#
# set ip_forward to 0
sysctl -qw /net/ipv4/ip_forward=0
