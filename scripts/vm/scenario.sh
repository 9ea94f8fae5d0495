#!/usr/bin/env bash
# Runs one scenario inside the virtual machine: scenario.sh FILE.
set -eEu
set -o pipefail
trap 'echo "   FAILED: line $LINENO: $BASH_COMMAND"' ERR
# shellcheck source=scripts/vm/lib.sh
. /vm/lib.sh
# shellcheck source=/dev/null # the scenario
. "$1"
