#!/usr/bin/env bash
# The dependencies have licences and sources that deny.toml allows.
#
# usage: ci/deny.sh [CHECK..]
#
# Advisories are not among the default checks: they need a database from the network. To check them
# as well: ci/deny.sh advisories bans licenses sources
set -euo pipefail
source "$(dirname "$0")/common.sh"

if [[ $# == 0 ]]; then
    set -- bans licenses sources
fi
if cargo deny --version >/dev/null 2>&1; then
    run cargo deny check "$@"
else
    skip "dependencies ($*): cargo-deny is not installed"
fi
