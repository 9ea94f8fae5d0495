#!/usr/bin/env bash
# Installs the packages, upgrades and removes them as a user would, in trees of Debian
# 12 and 13 with a network namespace of their own, also while a bridge is up there; and
# builds them twice. `make packages-test` calls it, as root.
#
#   scripts/packages/test.sh [SUITE...]
#
# The trees are kept in .cache/packages, which may be removed at any time.
set -eu
set -o pipefail
export LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
cd "$(dirname "$0")/../.."
cache=$PWD/.cache/packages

# What a tree has besides what Debian always has.
programs=(bash-completion fish iproute2 iptables iputils-ping man-db procps zsh)

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

say() { echo "== $*"; }

main() {
	[ $# -gt 0 ] || set -- bookworm trixie
	build
	lint
	local suite
	for suite; do
		tree "$suite"
		in_tree "$suite" deb
	done
	# rpm itself is this machine's, and there is no apk.
	in_tree "${!#}" rpm
	in_tree "${!#}" apk
	say "all is as it should be"
}

# build makes the packages of a version in two folders, and those of the next.
build() {
	local package
	say "two builds, in folders of other names"
	copy "$tmp/one"
	copy "$tmp/other/folder"
	quietly make -C "$tmp/one" packages VERSION=v1.0.0
	(umask 077 && TZ=Asia/Tokyo quietly make -C "$tmp/other/folder" packages VERSION=v1.0.0)
	for package in "$tmp"/one/dist/*; do
		cmp "$package" "$tmp/other/folder/dist/${package##*/}"
		sha256sum "$package" | sed "s|$tmp/one/||"
	done
	mv "$tmp/one/dist" "$tmp/v1"
	echo '# A key of the next version.' >>"$tmp/one/scripts/xbr-script.conf.example"
	quietly make -C "$tmp/one" packages VERSION=v1.0.1
	mv "$tmp/one/dist" "$tmp/v2"
}

# copy DIR: what belongs to the project. It is of no commit there.
copy() {
	mkdir -p "$1"
	git ls-files -z --cached --others --exclude-standard | tar -c --null -T - | tar -x -C "$1"
}

quietly() { "$@" >"$tmp/out" 2>&1 || {
	cat "$tmp/out"
	return 1
}; }

# lint: rpmlint has cpio unpack the .rpm in a folder, but the names in it, which nfpm
# gives, are absolute, and so cpio would unpack it into this machine's own /usr and /etc.
# So cpio is told not to, and who lints is nobody.
lint() {
	local dir=$tmp/lint
	say "lintian and rpmlint"
	mkdir -p "$dir/bin" "$dir/own"
	printf '#!/bin/sh\nexec %s --no-absolute-filenames "$@"\n' "$(command -v cpio)" >"$dir/bin/cpio"
	cp "$tmp"/v1/*.deb "$tmp"/v1/*.rpm scripts/packages/rpmlint.toml "$dir"
	chmod 755 "$tmp"
	chmod -R a+rX "$dir"
	chmod 755 "$dir/bin/cpio"
	chown nobody "$dir/own"
	nobody "$dir" lintian --fail-on error,warning,info,pedantic "$dir"/*.deb
	nobody "$dir" rpmlint --strict -c "$dir/rpmlint.toml" "$dir"/*.rpm >"$tmp/out" || {
		cat "$tmp/out"
		return 1
	}
	tail -n 1 "$tmp/out"
}

# nobody DIR COMMAND...: runs it in DIR/own as somebody who may write nowhere else.
nobody() (
	cd "$1/own"
	export HOME=$PWD TMPDIR=$PWD PATH=$1/bin:$PATH
	shift
	exec setpriv --reuid nobody --regid nogroup --clear-groups --no-new-privs "$@"
)

# tree SUITE: made of packages from where this machine's apt gets its own.
tree() {
	local tar=$cache/$1.tar mirror
	[ ! -e "$tar" ] || return 0
	# shellcheck disable=SC2016 # apt's and awk's variables
	mirror=$(apt-get indextargets --no-release-info --format '$(RELEASE) $(REPO_URI)' \
		'Created-By: Packages' 'Component: main' |
		awk '$1 ~ /^((old)*stable|testing|bookworm|trixie)$/ { print $2; exit }')
	say "a tree of $1"
	mkdir -p "$cache"
	quietly mmdebstrap --variant=minbase --include="$(echo "${programs[*]}" | tr ' ' ,)" \
		--dpkgopt='path-include=/usr/share/man/*' --dpkgopt='path-include=/usr/share/doc/*' \
		"$1" "$tmp/tree.tar" "deb $mirror $1 main"
	mv "$tmp/tree.tar" "$tar"
}

# in_tree SUITE FORMAT: tries the packages of that format.
in_tree() {
	say "$2 in a tree of $1"
	local root=$tmp/root
	rm -rf "$root"
	mkdir "$root"
	tar -x -f "$cache/$1.tar" -C "$root" --exclude='./dev/*'
	mkdir "$root/v1" "$root/v2"
	cp "$tmp"/v1/*."$2" "$root/v1"
	cp "$tmp"/v2/*."$2" "$root/v2"
	unshare --mount --net --pid --fork --kill-child scripts/packages/tree.sh "$root" "$2"
}

main "$@"
