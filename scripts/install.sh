#!/bin/sh
# Puts the program's files where they belong, and takes them away again; make
# calls it, with the variables below.
#
#   scripts/install.sh install | uninstall
#
# It writes down what it has put there, in $record. A file that is not recorded,
# or has changed since, belongs to somebody else: it is neither overwritten nor
# removed. The same goes for a link in Xen's folder that does not lead to
# */sbin/xbr-script.
set -eu

: "${DESTDIR=}" "${init:?}" "${initdir:?}" "${prefix:?}" "${sbindir:?}" "${mandir:?}" "${zshdir:?}" "${unitdir:?}" "${xendir:?}"
record=$prefix/share/xbr-script/installed # lines of "sha256 path", without DESTDIR
ansible=${record%/*}/ansible
confdir=${xendir%/*}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

main() {
	: >"$tmp/installed"
	case ${1-} in
	install) install_all ;;
	uninstall) uninstall_all ;;
	*)
		echo "usage: install.sh install | uninstall" >&2
		exit 2
		;;
	esac
}

install_all() {
	case $init in
	systemd | openrc | sysv) ;;
	*)
		echo "install: init=$init is none of systemd, openrc and sysv" >&2
		exit 2
		;;
	esac
	put 755 xbr-script "$sbindir/xbr-script"
	put 644 scripts/xbr-script.8 "$mandir/man8/xbr-script.8"
	put 644 scripts/xbr-script.conf.5 "$mandir/man5/xbr-script.conf.5"
	completion bash "$prefix/share/bash-completion/completions/xbr-script"
	completion zsh "$zshdir/_xbr-script"
	completion fish "$prefix/share/fish/vendor_completions.d/xbr-script.fish"
	sed "s|/usr/local/sbin|$sbindir|" scripts/xbr-script.service >"$tmp/xbr-script.service"
	put 644 "$tmp/xbr-script.service" "$unitdir/xbr-script.service"
	if [ "$init" != systemd ]; then
		sed "s|/usr/local/sbin|$sbindir|" "scripts/xbr-script.$init" >"$tmp/xbr-script.init"
		put 755 "$tmp/xbr-script.init" "$initdir/xbr-script"
	fi
	put 644 scripts/xbr-script.conf.example "$confdir/xbr-script.conf.example"
	put 755 scripts/libvirt/qemu "${record%/*}/libvirt-hook"
	ansible
	link xbr-script
	link network-bridge
	link vif-xbr
	install -D -m 644 "$tmp/installed" "$DESTDIR$record"
}

uninstall_all() {
	for name in xbr-script network-bridge vif-xbr; do
		file=$DESTDIR$xendir/$name
		if is_our_link "$file"; then remove "$file"; fi
	done
	[ -e "$DESTDIR$record" ] || return 0
	while read -r _ path; do
		file=$DESTDIR$path
		if is_as_put "$path"; then
			remove "$file"
		elif [ -e "$file" ]; then
			echo "uninstall: $file was changed since it was installed: left as it is" >&2
		fi
	done <"$DESTDIR$record"
	remove "$DESTDIR$record"
	# Ansible may have compiled there what it runs, and somebody may have added to it.
	if [ -d "$DESTDIR$ansible" ]; then
		find "$DESTDIR$ansible" -depth -name __pycache__ -exec rm -r {} +
		find "$DESTDIR$ansible" -depth -type d -empty -delete
	fi
	rmdir --ignore-fail-on-non-empty "$DESTDIR${record%/*}"
}

# put MODE SOURCE PATH
put() {
	file=$DESTDIR$3
	if exists "$file" && ! is_as_put "$3" && ! cmp -s "$2" "$file"; then
		echo "install: $file is not as it was installed: left as it is" >&2
		echo "install: hint: to have the one of this version, move that file away and install again" >&2
		# The record keeps what was put there.
		recorded "$3" >>"$tmp/installed"
		return
	fi
	echo "install $file"
	install -D -m "$1" "$2" "$file"
	echo "$(sum "$file") $3" >>"$tmp/installed"
}

# ansible: the role and all that belongs to it.
ansible() {
	(cd scripts/ansible && find . -type f ! -path '*/__pycache__/*' | LC_ALL=C sort) >"$tmp/ansible"
	while read -r path; do
		put 644 "scripts/ansible/${path#./}" "$ansible/${path#./}"
	done <"$tmp/ansible"
}

# completion SHELL PATH: what the program prints for that shell. One that was built for
# another machine cannot.
completion() {
	if ./xbr-script completion "$1" >"$tmp/completion"; then
		put 644 "$tmp/completion" "$2"
	else
		echo "install: the program does not run here: nothing completes its words in $1" >&2
		recorded "$2" >>"$tmp/installed"
	fi
}

# link NAME: links the program under that name in Xen's folder.
link() {
	file=$DESTDIR$xendir/$1
	if is_our_link "$file" || ! exists "$file"; then
		echo "ln -sfn $sbindir/xbr-script $file"
		install -d "$DESTDIR$xendir"
		ln -sfn "$sbindir/xbr-script" "$file"
	else
		echo "install: $file is not ours: left as it is" >&2
		echo "install: hint: to use xbr-script under this name, move that file away and install again" >&2
	fi
}

remove() {
	echo "rm $1"
	rm "$1"
}

exists() { [ -e "$1" ] || [ -L "$1" ]; }

is_our_link() { case $(readlink "$1") in */sbin/xbr-script) ;; *) false ;; esac }

# is_as_put PATH: the file is still the one that was put there.
is_as_put() {
	[ -f "$DESTDIR$1" ] && [ ! -L "$DESTDIR$1" ] && [ "$(recorded "$1")" = "$(sum "$DESTDIR$1") $1" ]
}

# recorded PATH: its line in the record, or nothing.
recorded() {
	[ ! -e "$DESTDIR$record" ] || while read -r hash path; do
		if [ "$path" = "$1" ]; then echo "$hash $path"; fi
	done <"$DESTDIR$record"
}

sum() { sha256sum <"$1" | cut -d ' ' -f 1; }

main "$@"
