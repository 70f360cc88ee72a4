#!/usr/bin/env bash
# Explores the kernels of real blocking bugs: each is found with each of 20 seeds, and its control shows nothing
# in many schedules. Prints the table of what was found, and when.
#
# usage: ci/soak/kernels.sh [SCHEDULES]
set -euo pipefail
source "$(dirname "$0")/../common.sh"

export GMP_TEST_SCHEDULES=${1:-10000} GMP_TEST_SEEDS=20
run cargo test --release --package gmp-tests --test goker -- --nocapture --test-threads 1
