# shellcheck shell=bash
# What makes the host of init.sh a dom0, as Debian's /etc/init.d/xen does.

xen_up() {
	local libexec=(/usr/lib/xen-[0-9]*/bin)
	# A guest's console is a pseudo-terminal.
	mkdir -p /dev/pts /run/xen /run/xenstored /var/lib/xen /var/log/xen
	mount -t devpts devpts /dev/pts
	modprobe -a xenfs xen-evtchn xen-gntdev xen-gntalloc xen-netback
	mount -t xenfs xenfs /proc/xen
	XENSTORED_ROOTDIR=/run/xenstored "${libexec[0]}/xenstored" --pid-file /run/xenstore.pid
	until xenstore-read -s / >/dev/null 2>&1; do sleep 0.1; done
	"${libexec[0]}/xen-init-dom0" >/dev/null
	"${libexec[0]}/xenconsoled" --pid-file /run/xenconsoled.pid
	# The kernel reads archives that follow one another.
	cat /guest/base.cpio /guest/over.cpio >/guest/initramfs
	rm /guest/*.cpio
}
