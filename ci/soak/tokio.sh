#!/usr/bin/env bash
# Runs a service on axum and a pool of bb8 under the leak detector very often: leaks are named, and clean
# runs are silent.
#
# usage: ci/soak/tokio.sh [RUNS]
set -euo pipefail
source "$(dirname "$0")/../common.sh"

runs=${1:-500}
GMP_TOKIO_RUNS=$runs run cargo test --quiet --package gmp-tests --test tokio -- served::
echo "$runs runs of each program passed in $SECONDS s"
