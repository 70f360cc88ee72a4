#!/usr/bin/env bash
# The netpoll of systems without epoll passes the tests of the network here too.
set -euo pipefail
source "$(dirname "$0")/common.sh"

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/portable"
export RUSTFLAGS="$RUSTFLAGS --cfg gmp_portable_netpoll"
run cargo test --package gmp-core --test net
