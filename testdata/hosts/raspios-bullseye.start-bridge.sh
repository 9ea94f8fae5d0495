# $ xbr-script start netdev=eth0 dom0=bridge
# ! xbr-script: cannot start eth0: dhcpcd looks after all interfaces, but for bridges
# ! hint: leave out dom0=bridge, or have it look after the bridge, too, by a last line in /etc/dhcpcd.conf: "interface eth0"
# ! exit status 1
