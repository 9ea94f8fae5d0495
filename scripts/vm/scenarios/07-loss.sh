# shellcheck shell=bash
# What is lost on the way, with the drivers of six NICs: probes from the LAN during start and stop
# NICs: e1000 e1000e igb virtio-net-pci vmxnet3 rtl8139
for nic in /sys/class/net/eth*; do
	loss "${nic##*/eth}"
done
