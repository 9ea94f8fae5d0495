# $ xbr-script start netdev=enp1s0 dom0=bridge
# ! xbr-script: cannot start enp1s0: dhcpcd looks after all interfaces, but for bridges
# ! hint: leave out dom0=bridge, or have it look after the bridge, too, by NixOS's option networking.dhcpcd.extraConfig = "interface enp1s0"
# ! exit status 1
