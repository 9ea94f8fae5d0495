#!/bin/sh
# Prints the version of the program, v1.0.0, from the topmost version in CHANGELOG.md;
# where git knows the commit, and it is not tagged as that version, with the commit:
# v1.0.0+a58ba534e2d4, and with .dirty after changes.
#
#   scripts/version.sh          for the binary
#   scripts/version.sh --bare   1.0.0, for packages
#   scripts/version.sh --epoch  when it was made, in seconds: the commit, or the day
#                               that CHANGELOG.md says
set -eu
cd "$(dirname "$0")/.."

heading=$(sed -n 's/^## \[\([0-9][0-9.]*\)\] - \([0-9-]*\)$/\1 \2/p' CHANGELOG.md | head -n 1)
version=${heading% *}
[ -n "$version" ] || {
	echo "version.sh: CHANGELOG.md names no version" >&2
	exit 1
}

# commit prints the commit, if this folder is git's, and not one inside of another's.
commit() {
	[ "$(git rev-parse --show-prefix 2>/dev/null || echo none)" = '' ] || return 0
	git describe --tags --always --dirty --abbrev=12 --exclude='*' 2>/dev/null || true
}

case ${1-} in
--bare) echo "$version" ;;
--epoch)
	if [ -n "$(commit)" ]; then
		git log -1 --format=%ct
	else
		date -u -d "${heading#* }" +%s
	fi
	;;
*)
	commit=$(commit)
	if [ -z "$commit" ] || [ "$(git describe --tags --dirty --exact-match --match "v$version" 2>/dev/null || true)" = "v$version" ]; then
		echo "v$version"
	else
		echo "v$version+$(echo "$commit" | tr - .)"
	fi
	;;
esac
