# shellcheck shell=bash
# What scripts that show something read in. They go on after a check that fails, and end with
# the number of them.
failures=0

# check WHAT COMMAND...: says whether the command succeeds.
check() {
	local what=$1 result=ok
	shift
	"$@" || result=FAILED
	printf '  %-6s  %s\n' "$result" "$what"
	[ "$result" = ok ] || failures=$((failures + 1))
}

# not COMMAND...: the opposite, for check.
not() { ! "$@"; }
