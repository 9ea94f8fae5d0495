# shellcheck shell=sh
# What packages of all formats do when they come and go. scripts/packages/build.sh
# makes the maintainer scripts of each format of it, by adding the call. Nothing here
# touches the network: the unit is neither started, stopped nor restarted.

xendir=/etc/xen/scripts
program=/usr/sbin/xbr-script

# installed UPGRADED: the files are there. UPGRADED is yes if they were before.
installed() {
	for name in xbr-script network-bridge; do
		link "$xendir/$name"
	done
	reload
	# make install put one there: it and its unit come before the package's.
	if [ -e /usr/local/sbin/xbr-script ]; then
		echo "xbr-script: /usr/local/sbin/xbr-script is there, too, and comes first"
		echo "xbr-script: hint: make uninstall, where it was installed from"
	fi
	if [ "$1" = yes ]; then
		says_up "goes on as it is, and the new version takes it from here"
	fi
}

# leaving: the package is about to be removed.
leaving() {
	for name in xbr-script network-bridge; do
		if [ "$(readlink "$xendir/$name")" = "$program" ]; then rm "$xendir/$name"; fi
	done
	rmdir "$xendir" 2>/dev/null || true # unless it is Xen's
	# What Ansible has compiled of its plugins, if root ran it.
	rm -rf /usr/share/xbr-script/ansible/roles/xbr_script/*/__pycache__
	says_up "goes on without the program" \
		"to take it apart, install the package again and run: xbr-script stop"
}

# left: it has been removed.
left() { reload; }

# purged: nothing that starts it is to stay, of systemd's, OpenRC's or LSB's.
purged() {
	rm -f /etc/systemd/system/multi-user.target.wants/xbr-script.service
	rm -f /etc/runlevels/*/xbr-script /etc/rc[0-6S].d/[SK][0-9][0-9]xbr-script
}

# link PATH: what is not ours is left as it is, as by make install.
link() {
	if [ -e "$1" ] || [ -L "$1" ]; then
		case $(readlink "$1") in
		*/sbin/xbr-script) ;;
		*)
			echo "xbr-script: $1 is not ours: left as it is"
			echo "xbr-script: hint: to use xbr-script under this name: ln -sfn $program $1"
			return
			;;
		esac
	fi
	mkdir -p "$xendir"
	ln -sfn "$program" "$1"
}

# reload has systemd read its units, as far as there is one.
reload() {
	if [ -d /run/systemd/system ]; then systemctl daemon-reload || true; fi
}

# says_up WHAT [HINT]: of each network that is up.
says_up() {
	up=
	for record in /run/xbr-script/bridge.*.json; do
		[ -e "$record" ] || continue
		bridge=${record#/run/xbr-script/bridge.}
		echo "xbr-script: the network of ${bridge%.json} $1"
		up=yes
	done
	if [ -e /run/xbr-script/journal ]; then
		echo "xbr-script: a change is under way, was cut short or waits to be confirmed: see xbr-script status"
	fi
	if [ -n "$up" ] && [ -n "${2-}" ]; then echo "xbr-script: hint: $2"; fi
}
