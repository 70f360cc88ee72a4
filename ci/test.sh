#!/usr/bin/env bash
# The command with which the README runs all tests, with 500 runs of clean programs under load among them (10,000:
# ci/soak/clean.sh), and sixteen tests at a time for a few times.
set -euo pipefail
source "$(dirname "$0")/common.sh"

export GMP_TEST_SOAK_RUNS=500
command=$(readme_test_command)
read -r -a words <<<"$command"
run "${words[@]}"
run ci/soak/parallel.sh 10
