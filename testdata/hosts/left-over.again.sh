# $ xbr-script start vifnum=0 netdev=eth0 antispoof=yes
# nothing to do: xenbr0 is up already; xenbr0: antispoof is on: guests may send only what rules for them allow, and not as dom0; xenbr0: guests can send IPv6 from addresses that are made of their MAC address only; allow others: ip6tables -I FORWARD -m physdev --physdev-is-bridged --physdev-in PORT -s ADDRESS -j ACCEPT
