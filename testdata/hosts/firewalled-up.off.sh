# $ xbr-script start vifnum=0 netdev=eth0 ip_forward=0
# set ip_forward to 0
sysctl -qw /net/ipv4/ip_forward=0
