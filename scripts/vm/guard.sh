#!/usr/bin/env bash
# guard.sh ROOT COMMAND...: runs the command where no settings of the kernel can be
# written but the network namespace's. systemd would raise some as it begins.
set -eu
mount --bind "$1/proc/sys" "$1/proc/sys"
mount --bind "$1/proc/sys/net" "$1/proc/sys/net"
mount -o remount,bind,ro "$1/proc/sys"
exec "${@:2}"
