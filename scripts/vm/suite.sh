# shellcheck shell=bash
# shellcheck disable=SC2034 # what is set here is for those that read it in
# Which Debian the virtual machines are made of: $SUITE, or else its newest stable
# release. What belongs to one suite is kept in $cache, apart from the others'.
suite=${SUITE:-trixie}
cache=$PWD/.cache/vm/$suite

case $suite in
bookworm | trixie) best_effort= ;;
# What becomes of Debian's next release changes each day.
forky | sid) best_effort=yes ;;
*)
	echo "SUITE=$suite: not one of bookworm, trixie, forky and sid" >&2
	exit 2
	;;
esac
