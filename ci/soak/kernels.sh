#!/usr/bin/env bash
# Explores the kernels of real blocking bugs: each is found with each of 20 seeds, and its control shows nothing
# in many schedules. Prints the table of what was found, and when; half of them are to be found within 50 ms each, and
# all within 2 s, on a machine that does nothing else.
#
# usage: ci/soak/kernels.sh [SCHEDULES]
set -euo pipefail
source "$(dirname "$0")/../common.sh"

export GMP_TEST_SCHEDULES=${1:-10000} GMP_TEST_SEEDS=20
export GMP_TEST_MEDIAN_MS=50 GMP_TEST_WORST_MS=2000
run cargo test --release --package gmp-tests --test goker -- --nocapture --test-threads 1
