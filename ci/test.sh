#!/usr/bin/env bash
# The command with which the README runs all tests, and sixteen tests at a time for a few times.
set -euo pipefail
source "$(dirname "$0")/common.sh"

command=$(readme_test_command)
read -r -a words <<<"$command"
run "${words[@]}"
run ci/soak/parallel.sh 10
