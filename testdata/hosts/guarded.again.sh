# $ xbr-script start vifnum=0 netdev=eth0 antispoof=yes
# nothing to do: xenbr0 is up already; xenbr0: no rule lets vif2.0 send IPv4; allow it: iptables -I FORWARD -m physdev --physdev-is-bridged --physdev-in vif2.0 -s ADDRESS -j ACCEPT
