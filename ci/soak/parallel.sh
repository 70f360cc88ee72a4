#!/usr/bin/env bash
# Runs tests sixteen at a time, again and again: each leaks something of its own or nothing, and none may be
# blamed for another.
#
# usage: ci/soak/parallel.sh [RUNS]
set -euo pipefail
source "$(dirname "$0")/../common.sh"

runs=${1:-1000}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cargo test --package gmp-tests --test parallel --no-run 2>&1 | tee "$log"
program=$(sed -n 's/.*Executable tests\/parallel.rs (\(.*\)).*/\1/p' "$log")
[[ -n $program ]] || fail "no executable was built"
for ((n = 1; n <= runs; n++)); do
    if ! (cd tests && "../$program" --test-threads 16) >"$log" 2>&1; then
        cat "$log"
        fail "run $n of $runs failed"
    fi
done
run echo "$runs runs of 16 tests at a time passed in $SECONDS s"
