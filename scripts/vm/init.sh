#!/usr/bin/env bash
# The first process of the virtual machine: makes it a host with NICs and a
# LAN, runs the scenario that run.sh names, and switches the machine off. It
# talks to run.sh over the second serial port.
set -eEu
set -o pipefail
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL=C HOME=/root

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
ln -s /proc/self/fd /dev/fd
for i in 0:stdin 1:stdout 2:stderr; do
	ln -s "fd/${i%:*}" "/dev/${i#*:}"
done
mkdir -p /run/lock

stty -F /dev/ttyS1 raw -echo
exec </dev/null >/dev/ttyS1 2>&1

status=1
switch_off() {
	echo "@end $status"
	sleep 0.1 # so that the serial port has sent everything
	sync
	echo o >/proc/sysrq-trigger
	sleep 60
}
trap switch_off EXIT
trap 'echo "init.sh: failed: $BASH_COMMAND"' ERR

# shellcheck source=scripts/vm/network.sh
. /vm/network.sh
lay_out
if [ -e /vm/dom0.sh ]; then
	# shellcheck source=scripts/xen/dom0.sh
	. /vm/dom0.sh
	xen_up
fi

echo "@ready $(uname -r)"

# run.sh saves the machine in its present state, and runs copies of it.
said=
until read -r -t 1 part </dev/ttyS1; do
	said+=$part # the beginning of a line
	echo "@waiting"
done
read -r scenario seed rounds <<<"$said$part"
/vm/scenario.sh "/vm/scenarios/$scenario" "$seed" "$rounds" && status=0 || status=$?
