# shellcheck shell=bash
# What is lost on the way, on virtio-net: probes from the LAN during start and stop
loss 3
