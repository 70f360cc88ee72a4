#!/usr/bin/env bash
# Model checks of the state word, the ownership word, the run queue, parking and waking, channels, selects, the mutex,
# the semaphore and their lock: all interleavings with up to three preemptions, all outcomes that the
# orderings allow. Models that take minutes or hours with three say themselves that they have two: those of the mutex,
# one of `sched/counts.rs`, and of the short lock those in which three threads wait for each other.
set -euo pipefail
source "$(dirname "$0")/common.sh"

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/loom"
export LOOM_MAX_PREEMPTIONS="${LOOM_MAX_PREEMPTIONS:-3}"
# Whatever is used only by code that is left out here is no mistake.
export RUSTFLAGS="$RUSTFLAGS --cfg loom -A dead_code -A unused_imports"
run cargo test --package gmp-core --lib models
