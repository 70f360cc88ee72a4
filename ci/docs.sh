#!/usr/bin/env bash
# The documentation builds without warnings: as it is published, and with private items.
set -euo pipefail
source "$(dirname "$0")/common.sh"

run cargo doc --workspace --no-deps --all-features
run cargo doc --workspace --no-deps --all-features --document-private-items
