#!/usr/bin/env bash
# Long runs of the scheduler: memory over ten million goroutines, retakes beside a busy machine, the wait of a
# goroutine for its start and of a pause beside spinners, the CPU of an idle process, what a million timers, a call
# of `blocking` and a dispatch take.
#
# usage: ci/soak/scheduler.sh [CASE..]
set -euo pipefail
source "$(dirname "$0")/../common.sh"

if [[ $# == 0 ]]; then
    set -- goroutines polls start pauses idle timers blocking dispatches
fi
for name in "$@"; do
    run cargo bench --package gmp-core --bench soak -- "$name"
done
