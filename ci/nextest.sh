#!/usr/bin/env bash
# The tests of the workspace, each in its own process.
set -euo pipefail
source "$(dirname "$0")/common.sh"

if cargo nextest --version >/dev/null 2>&1; then
    run cargo nextest run --workspace
else
    skip "nextest: cargo-nextest is not installed"
fi
