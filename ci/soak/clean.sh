#!/usr/bin/env bash
# Runs clean programs under load, 16 at a time, in the harness and on 1 to 8 Ps: no false alarm may come.
#
# usage: ci/soak/clean.sh [RUNS]
set -euo pipefail
source "$(dirname "$0")/../common.sh"

export GMP_TEST_SOAK_RUNS=${1:-10000}
run cargo test --package gmp-tests --test patterns -- --nocapture soak
