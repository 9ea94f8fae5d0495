# shellcheck shell=bash
# What is lost on the way, on e1000: probes from the LAN during start and stop
loss 0
