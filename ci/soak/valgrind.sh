#!/usr/bin/env bash
# The tests of the runtime under valgrind's memcheck, each loop shortened to a fiftieth, and moments that something has
# to be ready for as much later: a program is fifty times slower there.
#
# usage: ci/soak/valgrind.sh [lib|TEST..]
#
# Processes that a test starts are not looked at: those of `faults` live with little memory, or are forked.
set -euo pipefail
source "$(dirname "$0")/../common.sh"

if [[ $# == 0 ]]; then
    set -- lib chan select select_cases sink cancel panics foreign go leaves \
        sync_mutex sync_rwlock sync_waitgroup sync_groups sync_map sync_pool sync_shared \
        timers time metrics stress blocking hostile procs procs_number locked retake pause schedtrace cancel_procs faults context
fi
command -v valgrind >/dev/null || fail "valgrind is not installed"
export TEST_DIVISOR=50
# Leaks are no errors here: some tests forget futures and payloads on purpose.
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="valgrind -q --fair-sched=yes --error-exitcode=9"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=$CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER
for name in "$@"; do
    if [[ $name == lib ]]; then
        run cargo test --package gmp-core --lib -- --test-threads=1
    else
        # Each cell goes back to the allocator when its goroutine has ended, so that a late use is seen.
        GMP_DEBUG=cellcacheoff=1 run cargo test --package gmp-core --test "$name" -- --test-threads=1
    fi
done
