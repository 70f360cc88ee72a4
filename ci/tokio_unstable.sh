#!/usr/bin/env bash
# With `--cfg tokio_unstable` every task of tokio has a line in the report. In a target folder of its own: other flags
# would build everything anew.
set -euo pipefail
source "$(dirname "$0")/common.sh"

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/tokio_unstable"
export RUSTFLAGS="$RUSTFLAGS --cfg tokio_unstable"
run cargo test --package gmp-tests --test tokio
