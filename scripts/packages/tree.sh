#!/usr/bin/env bash
# What test.sh runs in namespaces of its own, with the tree of a Debian and packages of
# two versions in its folders v1 and v2:
#
#   scripts/packages/tree.sh ROOT deb|rpm|apk
set -eu
set -o pipefail
root=$1
format=$2

main() {
	prepare
	fresh
	with_a_bridge
	somebody_elses
}

# prepare gives the tree what a booted machine has, with a systemctl that writes down what
# it is asked, and a NIC with a neighbour.
prepare() {
	mount --make-rprivate /
	mount -t proc proc "$root/proc"
	mount -t sysfs sysfs "$root/sys"
	mount -t tmpfs tmpfs "$root/run"
	mount -t tmpfs tmpfs "$root/dev"
	mknod -m 666 "$root/dev/null" c 1 3
	mknod -m 666 "$root/dev/urandom" c 1 9
	mkdir -p "$root/run/systemd/system" "$root/etc/systemd/system"
	printf '#!/bin/sh\necho "$*" >>/asked\n' >"$root/usr/bin/systemctl"
	chmod 755 "$root/usr/bin/systemctl"
	sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0
	ip link set lo up
	ip link add eth0 type veth peer name lan0
	ip link set eth0 up
	ip link set lan0 up
	ip addr add 192.0.2.2/24 dev eth0
	ip addr add 2001:db8::2/64 dev eth0
	ip route add default via 192.0.2.1
}

# within COMMAND...: runs it in the tree.
within() { chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=vt100 LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }

# install FOLDER, remove: what they say is in /tmp/said of the tree.
install() { logged "install_$format" "$1"; }
remove() { logged "remove_$format"; }
logged() {
	if ! "$@" >"$root/tmp/said" 2>&1 </dev/null; then
		cat "$root/tmp/said"
		fail "$*"
	fi
	sed 's/^/     | /' "$root/tmp/said"
}

# apt has dpkg keep files that were changed; it asks on a terminal.
install_deb() { within dpkg --force-confdef --force-confold -i "/$1/$(basename "$root/$1"/*.deb)"; }
remove_deb() { within dpkg -r xbr-script; }
install_rpm() { rpm --root "$root" --nodeps -U "$root/$1"/*.rpm; }
remove_rpm() { rpm --root "$root" -e xbr-script; }

# There is no apk here: this is what it does, in the order in which it does so.
install_apk() {
	local script=.post-install args=1.0.0-r1
	if [ -e "$root/apk" ]; then
		script=.post-upgrade args='1.0.1-r1 1.0.0-r1'
		mv "$root/etc/xen/xbr-script.conf" "$root/apk/kept"
	fi
	mkdir -p "$root/apk"
	tar -xz --warning=no-unknown-keyword -f "$root/$1"/*.apk -C "$root" --exclude='.*'
	tar -xz --warning=no-unknown-keyword -f "$root/$1"/*.apk -C "$root/apk" --wildcards '.*'
	tar -tz --warning=no-unknown-keyword -f "$root/$1"/*.apk | grep -v '/$\|^\.' >"$root/apk/list"
	if [ -e "$root/apk/kept" ]; then mv "$root/apk/kept" "$root/etc/xen/xbr-script.conf"; fi
	# shellcheck disable=SC2086 # words
	within /apk/$script $args
}
remove_apk() {
	within /apk/.pre-deinstall
	within sed -i '/^etc\/xen\/xbr-script.conf$/d' /apk/list
	within sh -c 'cd / && xargs rm -f </apk/list && xargs -n 1 dirname </apk/list | sort -ru | xargs rmdir -p 2>/dev/null || true'
	within /apk/.post-deinstall
	rm -r "$root/apk"
}

fail() {
	echo "   FAILED: $*"
	exit 1
}

expect() {
	if "${@:2}" >/tmp/out.$$ 2>&1; then
		echo "   ok: $1"
		rm -f /tmp/out.$$
	else
		cat /tmp/out.$$
		rm -f /tmp/out.$$
		fail "$1"
	fi
}
refute() { expect "$1" not "${@:2}"; }
not() { ! "$@"; }

said() { grep -q -- "$1" "$root/tmp/said"; }
# is PATH: it is there in the tree. leads PATH LINK: it is that link.
is() { [ -e "$root/$1" ] || [ -L "$root/$1" ]; }
leads() { [ "$(readlink "$root/$1")" = "$2" ]; }
# shows TEXT COMMAND...: it prints that.
shows() { within "${@:2}" 2>&1 | grep -q -- "$1"; }
# silent COMMAND...: it succeeds, and has nothing to say on stderr.
silent() { [ -z "$(within "$@" 2>&1 >/dev/null)" ]; }

# network is all that matters of it.
network() {
	ip -d link | sed 's/[a-z_]*timer *[0-9.]*//g'
	ip addr | sed 's/valid_lft [0-9]*sec//'
	ip route show table all
	ip -6 route show table all | sort
	bridge link
}
unchanged() { diff "$root/tmp/network" <(network); }

# fresh is what a new user meets.
fresh() {
	echo "-- as new"
	install v1
	expect "the program is that of the package" shows 'xbr-script v1.0.0' xbr-script --version
	expect "it is linked into Xen's folder" leads etc/xen/scripts/xbr-script /usr/sbin/xbr-script
	expect "as network-bridge, too" leads etc/xen/scripts/network-bridge /usr/sbin/xbr-script
	refute "the file has only comments" grep '^[^#]' "$root/etc/xen/xbr-script.conf"
	refute "nothing starts it" grep -r xbr-script "$root"/etc/systemd "$root"/etc/rc?.d "$root/etc/runlevels"
	if [ "$format" != apk ]; then
		expect "systemd was told to read its units, and no more" diff "$root/asked" <(echo daemon-reload)
		expect "the unit names the program" grep -q '^ExecStart=/usr/sbin/xbr-script start$' "$root/usr/lib/systemd/system/xbr-script.service"
	fi
	if [ "$format" != rpm ]; then expect "the boot script names it" grep -q '/usr/sbin/xbr-script' "$root/etc/init.d/xbr-script"; fi
	expect "Ansible's role is there" is usr/share/xbr-script/ansible/roles/xbr_script/tasks/main.yml
	local page
	for page in 'xbr-script' 'xbr-script.conf'; do
		expect "man $page has no warnings" silent man --warnings "$page"
		expect "and says what it is about" shows bridge man "$page"
	done
	expect "bash completes its words" shows _xbr_script bash -c '. /usr/share/bash-completion/bash_completion; __load_completion xbr-script || _completion_loader xbr-script; complete -p xbr-script'
	expect "so does fish" shows '^status' fish -c 'complete --do-complete "xbr-script sta"'
	if [ "$format" = deb ]; then
		# shellcheck disable=SC2016 # zsh's variable
		expect "so does zsh" shows '^_xbr-script$' zsh -c 'autoload -U compinit; compinit -u -D; echo $_comps[xbr-script]'
	fi
	network >"$root/tmp/network"
	remove
	expect "the network is as before" unchanged
	refute "the program is gone" is usr/sbin/xbr-script
	refute "so is the link" is etc/xen/scripts/xbr-script
	purge
}

# purge: what remains is what others made.
purge() {
	if [ "$format" = deb ]; then within dpkg -P xbr-script >/dev/null; fi
	rm -f "$root"/etc/xen/xbr-script.conf{,.rpmsave,.rpmnew} "$root/asked"
	refute "nothing is left" grep . <(cd "$root" && find etc usr var -name '*xbr-script*' ! -path 'var/cache/man/*')
}

with_a_bridge() {
	echo "-- with a bridge up"
	install v1
	echo 'bridge=xenbr0 netdev=eth0' >>"$root/etc/xen/xbr-script.conf"
	logged within xbr-script start check=no
	network >"$root/tmp/network"
	install v2
	expect "it says that the bridge stays" said 'the network of xenbr0 goes on as it is'
	expect "it does" unchanged
	expect "the new version is there" shows 'xbr-script v1.0.1' xbr-script --version
	expect "and takes it as its own" within xbr-script status
	expect "the file is as it was changed" grep -q '^bridge=xenbr0' "$root/etc/xen/xbr-script.conf"
	remove
	expect "it says that the bridge stays" said 'the network of xenbr0 goes on without the program'
	expect "and how to take it apart" said 'hint: .*xbr-script stop'
	expect "it does" unchanged
	if [ "$format" = rpm ]; then mv "$root"/etc/xen/xbr-script.conf{.rpmsave,}; fi
	expect "the file is as it was changed" grep -q '^bridge=xenbr0' "$root/etc/xen/xbr-script.conf"
	install v2
	expect "installed again, it knows the bridge" within xbr-script status
	logged within xbr-script stop check=no
	refute "eth0 is in no bridge" ip link show xenbr0
	if [ "$format" != apk ]; then
		refute "systemd was told to start, stop or restart nothing" grep -v daemon-reload "$root/asked"
	fi
	remove
	purge
}

somebody_elses() {
	echo "-- with a network-bridge that is somebody else's, and a program of make install"
	mkdir -p "$root/etc/xen/scripts"
	echo '#!/bin/sh' >"$root/etc/xen/scripts/network-bridge"
	touch "$root/usr/local/sbin/xbr-script"
	install v1
	expect "it says so" said 'network-bridge is not ours: left as it is'
	expect "and of the program, too" said '/usr/local/sbin/xbr-script is there, too'
	expect "it is left as it is" grep -qx '#!/bin/sh' "$root/etc/xen/scripts/network-bridge"
	rm "$root/usr/local/sbin/xbr-script"
	remove
	expect "it still is" grep -qx '#!/bin/sh' "$root/etc/xen/scripts/network-bridge"
	purge
}

main
