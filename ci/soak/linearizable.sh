#!/usr/bin/env bash
# Checks that channels are linearizable on many random programs, on 1, 2 and 4 Ps.
#
# usage: ci/soak/linearizable.sh [PROGRAMS]
set -euo pipefail
source "$(dirname "$0")/../common.sh"

export LINEARIZABLE_PROGRAMS=${1:-100000}
run cargo test --release --package gmp-tests --test linearizable
