#!/usr/bin/env bash
# The command with which the README runs all tests.
set -euo pipefail
source "$(dirname "$0")/common.sh"

command=$(readme_test_command)
read -r -a words <<<"$command"
run "${words[@]}"
