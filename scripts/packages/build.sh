#!/usr/bin/env bash
# Builds the packages of all formats into dist/; `make packages` calls it, with ./xbr-script
# built. The same commit and the same Go give the same bytes.
#
#   scripts/packages/build.sh [deb|rpm|apk...]
#
# ARCH is Go's name of the machine that they are for, by default this one; VERSION is by
# default that of CHANGELOG.md; MAINTAINER is who is named in them.
set -eu
set -o pipefail
cd "$(dirname "$0")/../.."

GO=${GO:-go}
here=$($GO env GOARCH)
ARCH=${ARCH:-$here}
VERSION=${VERSION:-$(scripts/version.sh --bare)}
VERSION=${VERSION#v}
MAINTAINER=${MAINTAINER:-xbr-script maintainers <maintainers@xbr-script.example>}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(scripts/version.sh --epoch)}
MTIME=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
export ARCH VERSION MAINTAINER SOURCE_DATE_EPOCH MTIME
root=$PWD
umask 022

# Below this folder, where go finds its tool.
mkdir -p dist
stage=$(mktemp -d -p "$root/dist" stage.XXXXXX)
trap 'rm -rf "$stage"' EXIT

main() {
	local format
	[ $# -gt 0 ] || set -- deb rpm apk
	for format; do
		fill "$format" "$stage/$format"
		(cd "$stage/$format" && $GO tool -modfile="$root/tools/packages/go.mod" nfpm package \
			--config "$root/scripts/packages/nfpm.yaml" --packager "$format" --target "$root/dist/")
	done
}

# fill FORMAT DIR: the files of a package, where nfpm.yaml expects them.
fill() {
	local dir=$2 init=systemd zsh=site-functions doc=$2/usr/share/doc/xbr-script
	case $1 in
	deb) init=sysv zsh=vendor-completions ;;
	apk) init=openrc ;;
	esac
	make -s install DESTDIR="$dir" init="$init" prefix=/usr zshdir=/usr/share/zsh/$zsh >/dev/null
	[ "$ARCH" = "$here" ] || GOARCH=$ARCH make -s build OUT="$dir/usr/sbin/xbr-script"

	# Nothing is in force until somebody says so.
	sed 's/^[^#]/#&/' scripts/xbr-script.conf.example >"$dir/etc/xen/xbr-script.conf"
	mkdir -p "$doc/examples" "$dir/usr/share/licenses/xbr-script"
	cp scripts/xbr-script.conf.example "$doc/examples/xbr-script.conf"
	cp LICENSE "$dir/usr/share/licenses/xbr-script"
	licenses >"$doc/copyright"
	gzip -9n <CHANGELOG.md >"$doc/changelog.gz"
	gzip -9n "$dir"/usr/share/man/man?/*
	changelog >"$dir/changelog.yaml"
	if [ "$1" = deb ]; then
		install -D -m 644 scripts/packages/lintian-overrides "$dir/usr/share/lintian/overrides/xbr-script"
	fi

	mkdir "$dir/scripts"
	script "$1" installed >"$dir/scripts/installed"
	script "$1" leaving >"$dir/scripts/leaving"
	script "$1" left >"$dir/scripts/left"
	# nfpm takes the times of the scripts of .apk from these files.
	find "$dir" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}

# script FORMAT EVENT: what runs then. What it is called with differs.
script() {
	echo '#!/bin/sh'
	echo 'set -e'
	sed 1d scripts/packages/maintain.sh
	echo
	# shellcheck disable=SC2016 # the arguments of that script
	case $1-$2 in
	deb-installed) echo 'case $1 in configure) installed "${2:+yes}" ;; esac' ;;
	deb-leaving) echo 'case $1 in remove) leaving ;; esac' ;;
	deb-left) echo 'case $1 in remove) left ;; purge) purged ;; esac' ;;
	rpm-installed) echo 'if [ "$1" -gt 1 ]; then installed yes; else installed ""; fi' ;;
	rpm-leaving) echo 'if [ "$1" -eq 0 ]; then leaving; fi' ;;
	rpm-left) echo 'if [ "$1" -eq 0 ]; then left; purged; fi' ;;
	# Called with the new version, and after an upgrade with the old one, too.
	apk-installed) echo 'installed "${2:+yes}"' ;;
	apk-leaving) echo 'leaving' ;;
	apk-left) echo 'purged' ;;
	esac
	echo 'exit 0'
}

# changelog is what nfpm makes the formats' own of.
changelog() {
	cat <<-END
		- semver: $VERSION-1
		  date: $MTIME
		  packager: $MAINTAINER
		  deb: {urgency: medium, distributions: [unstable]}
		  changes:
		    - note: "What is new: /usr/share/doc/xbr-script/changelog.gz"
	END
}

# licenses are those of the program and of what is linked into it.
licenses() {
	local module version dir file
	cat <<-END
		xbr-script is under the Apache License, version 2.0: on Debian
		/usr/share/common-licenses/Apache-2.0, elsewhere the file LICENSE.

		Copyright: the authors of xbr-script

		The program contains the following, each under the license that follows it.

	END
	{
		echo "Go $($GO env GOVERSION) $($GO env GOROOT)"
		# shellcheck disable=SC2016 # go's variables
		$GO list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' . | sort -u
	} | while read -r module version dir; do
		echo "== $module $version"
		echo
		for file in "$dir"/LICENSE*; do
			if grep -q 'Apache License' "$file"; then
				echo "Apache License, version 2.0"
			else
				cat "$file"
			fi
		done
		for file in "$dir"/NOTICE*; do
			[ ! -e "$file" ] || cat "$file"
		done
		echo
	done
}

main "$@"
