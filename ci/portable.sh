#!/usr/bin/env bash
# The netpoll of systems without epoll passes the tests of the network here too.
#
# usage: ci/portable.sh [all]
#
# `all` takes those of the other packages along, which build for some minutes.
set -euo pipefail
source "$(dirname "$0")/common.sh"

# A folder of its own: with other flags everything would be built again each time.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/portable"
export RUSTFLAGS="$RUSTFLAGS --cfg gmp_portable_netpoll"
run cargo test --package gmp-core --test net
if [[ ${1:-} == all ]]; then
    run cargo test --package gmp-tests --test io
    run cargo test --package gmp-tests --test golang net_timeout
fi
