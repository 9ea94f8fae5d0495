package nstest

// OwnEtcXen is a script that gives the namespace an /etc/xen of its own, with nothing but
// a folder for scripts in it. Where the machine has none, it gets none.
const OwnEtcXen = `
	[ -d /etc/xen ] || { mkdir -p /run/etc/new /run/etc/work && mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/etc/new,workdir=/run/etc/work /etc; } || true # without overlayfs it does
	mkdir -p /etc/xen && mount -t tmpfs tmpfs /etc/xen && mkdir /etc/xen/scripts
`
