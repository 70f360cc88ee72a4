#!/usr/bin/env bash
# The source is formatted.
set -euo pipefail
source "$(dirname "$0")/common.sh"

run cargo fmt --all -- --check
