#!/bin/sh
# The first process of a guest: does what is written to its console, a line
# each, and says how that ended. See guests.sh.
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
insmod /xen-netfront.ko
ip link set lo up
stty raw -echo
echo '@up'
while read -r line; do
	(eval "$line") </dev/null 2>&1
	echo "@end $?"
done
