#!/usr/bin/env bash
# Runs one scenario inside the virtual machine: scenario.sh FILE SEED ROUNDS. All
# scenarios begin with a copy of one machine, so chance has to come from outside.
set -eEu
set -o pipefail
exec 3>&1 # where run.sh listens
# A subshell may fail, as one does whose output is looked at.
trap '[ "$BASHPID" != "$$" ] || echo "   FAILED: line $LINENO: $BASH_COMMAND" >&3' ERR
RANDOM=$2
# shellcheck disable=SC2034 # for scenarios that measure
rounds=$3
# shellcheck source=scripts/vm/lib.sh
. /vm/lib.sh
if [ -e /vm/guests.sh ]; then
	# shellcheck source=scripts/xen/guests.sh
	. /vm/guests.sh
fi
if [ -n "${HERE-}" ]; then
	# shellcheck source=scripts/vm/local.sh
	. /vm/local.sh
fi
# shellcheck source=/dev/null # the scenario
. "$1"
