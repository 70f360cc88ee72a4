#!/usr/bin/env bash
# No warning of rustc or clippy, in any target, with all features.
set -euo pipefail
source "$(dirname "$0")/common.sh"

run cargo clippy --workspace --all-targets --all-features -- -D warnings
