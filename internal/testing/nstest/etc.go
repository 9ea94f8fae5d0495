package nstest

import "strings"

// OwnEtcXen is a script that gives the namespace an /etc/xen of its own, with nothing but
// a folder for scripts in it. Where the machine has none, it gets none: /etc is overlaid,
// with what is mounted below it mounted there again.
var OwnEtcXen = strings.Join(strings.Fields(`
	if ! [ -d /etc/xen ]; then
		mkdir -p /run/etc/new /run/etc/work;
		below=$(awk '$5 ~ "^/etc/" { print $5 }' /proc/self/mountinfo);
		n=0;
		for m in $below; do
			n=$((n+1));
			if [ -d $m ]; then mkdir -p /run/etc/$n; else touch /run/etc/$n; fi;
			mount --bind $m /run/etc/$n;
		done;
		if mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/etc/new,workdir=/run/etc/work /etc; then
			n=0;
			for m in $below; do n=$((n+1)); mount --bind /run/etc/$n $m; done;
		fi;
	fi;
	mkdir -p /etc/xen; mount -t tmpfs tmpfs /etc/xen; mkdir /etc/xen/scripts
`), " ") + "\n" // one line, as Script wants it; without overlayfs the folder is the machine's
