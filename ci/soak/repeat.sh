#!/usr/bin/env bash
# Repeats all tests until one fails or the time is over: finds what fails one time in a thousand.
#
# usage: ci/soak/repeat.sh [MINUTES]
set -euo pipefail
source "$(dirname "$0")/../common.sh"

minutes=${1:-60}
command=$(readme_test_command)
read -r -a words <<<"$command"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
round=0
while ((SECONDS < minutes * 60)); do
    round=$((round + 1))
    if ! "${words[@]}" >"$log" 2>&1; then
        cat "$log"
        fail "round $round failed after $SECONDS s"
    fi
done
echo "$round rounds of \`$command\` passed in $SECONDS s"
