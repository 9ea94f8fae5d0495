#!/usr/bin/env bash
# Measures xbr-script against what else can do its job, in namespaces of its
# own: the machine's network is not touched. See docs/performance.md.
#
#   scripts/bench.sh [OPTION...] BINARY     options as tools/bench has them, such as -quick
#
# The packages of Debian's tools that do the same job are fetched with apt-get
# and unpacked into a folder that goes away afterwards; they are not installed.
# Without them these tools are left out, and the table says so.
set -eu
set -o pipefail
export LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

refuse() {
	echo "bench: $*" >&2
	exit 1
}

cd "$(dirname "$0")/.."
[ "$(id -u)" -eq 0 ] || refuse "it makes network namespaces, and that needs root: sudo $0"
for program in go ip bridge unshare; do
	command -v "$program" >/dev/null || refuse "not installed: $program (make deps)"
done

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
CGO_ENABLED=0 GOTMPDIR=$tmp go -C tools/bench build -o "$tmp/bench" .

# peers unpacks the packages as they would be installed, /sbin under /usr.
peers() {
	command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
	mkdir -p "$tmp/peers/usr" "$tmp/peers/etc" "$tmp/packages"
	(
		cd "$tmp/packages"
		packages=(ifupdown ifupdown2 bridge-utils)
		apt-get -qq download "${packages[@]}" || {
			apt-get -qq update && apt-get -qq download "${packages[@]}"
		}
	) >"$tmp/apt" 2>&1 || return 1
	local package dir
	# In this order: where both have a file, such as ifup, that of ifupdown
	# stays. The bench calls ifupdown2 by another name.
	for package in ifupdown bridge-utils ifupdown2; do
		dpkg-deb -x "$tmp/packages/$package"_*.deb "$tmp/unpacked"
		for dir in sbin lib bin; do
			[ ! -d "$tmp/unpacked/$dir" ] || cp -an "$tmp/unpacked/$dir" "$tmp/peers/usr/"
		done
		[ ! -d "$tmp/unpacked/usr" ] || cp -an "$tmp/unpacked/usr/." "$tmp/peers/usr/"
		[ ! -d "$tmp/unpacked/etc" ] || cp -an "$tmp/unpacked/etc/." "$tmp/peers/etc/"
		rm -rf "$tmp/unpacked"
	done
}

options=()
if peers; then
	options+=(-peers "$tmp/peers")
else
	echo "bench: Debian's packages could not be had, so ifupdown and ifupdown2 are left out" >&2
	[ ! -s "$tmp/apt" ] || sed 's/^/bench: /' "$tmp/apt" >&2
fi

# What is measured is a copy, as `make install` makes it: the pages of a file that the
# linker has just written lie one by one in the page cache, which takes each call 0.2 ms.
[ $# -gt 0 ] || refuse "usage: scripts/bench.sh [OPTION...] BINARY"
binary=${*: -1}
set -- "${@:1:$#-1}" "$tmp/xbr-script"
install -m 0755 "$binary" "$tmp/xbr-script"

# The first process inside is the bench itself: when it ends, the kernel removes
# everything else with it.
unshare --net --mount --pid --fork --kill-child --mount-proc \
	"$tmp/bench" -outside "$(readlink /proc/self/ns/net)" "${options[@]}" "$@"
