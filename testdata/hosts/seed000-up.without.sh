# $ xbr-script start vifnum=0 netdev=eth0 antispoof=no
# In short: no NIC moves; what is there already is mended or changed.
#   asked      192.168.0.1: if some answer before, and none of these afterwards,
#              all is put back
#   link       stays on all the while
#
# no longer show iptables the packets that cross xenbr0
ip link set dev xenbr0 type bridge nf_call_iptables 0 nf_call_ip6tables 0
# no longer pin frames for dom0 (00:16:3e:00:00:01) to vif0.0
bridge fdb replace 00:16:3e:00:00:01 dev vif0.0 master static
# no longer guard xenbr0 against forged IPv4 addresses
iptables -t raw -D PREROUTING -i xenbr0 -j XBR-xenbr0
iptables -t raw -F XBR-xenbr0
iptables -t raw -X XBR-xenbr0
iptables -D FORWARD -i xenbr0 -j XBR-xenbr0
iptables -D INPUT -i xenbr0 -j XBR-xenbr0
iptables -F XBR-xenbr0
iptables -X XBR-xenbr0
# no longer guard xenbr0 against forged IPv6 addresses
ip6tables -t raw -D PREROUTING -i xenbr0 -j XBR-xenbr0
ip6tables -t raw -F XBR-xenbr0
ip6tables -t raw -X XBR-xenbr0
ip6tables -D FORWARD -i xenbr0 -j XBR-xenbr0
ip6tables -D INPUT -i xenbr0 -j XBR-xenbr0
ip6tables -F XBR-xenbr0
ip6tables -X XBR-xenbr0
