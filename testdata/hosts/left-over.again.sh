# $ xbr-script start vifnum=0 netdev=eth0 antispoof=yes
# In short: no NIC moves; what is there already is mended or changed.
#   asked      192.168.0.1, 2001:db8::1: if some answer before, and none of
#              these afterwards, all is put back
#   link       stays on all the while
#
# nothing to do: xenbr0 is up already; xenbr0: antispoof is on: guests may send only what rules for them allow, and not as dom0; xenbr0: guests can send IPv6 from addresses that are made of their MAC address only; allow others: ip6tables -I FORWARD -m physdev --physdev-is-bridged --physdev-in PORT -s ADDRESS -j ACCEPT
