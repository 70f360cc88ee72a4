#!/usr/bin/env bash
# The published crates build for Windows and macOS, as far as those targets are installed.
set -euo pipefail
source "$(dirname "$0")/common.sh"

packages=()
for package in $PUBLISHED; do
    packages+=(--package "$package")
done
installed=""
if command -v rustup >/dev/null; then
    installed=$(rustup target list --installed)
fi

# Checks the first of the targets $2.. that is installed, for the system $1.
check_one_of() {
    local system=$1 target
    shift
    for target in "$@"; do
        if grep -qx "$target" <<<"$installed"; then
            run cargo check --all-features --target "$target" "${packages[@]}"
            return
        fi
    done
    skip "build for $system: none of these targets is installed: $*"
}

check_one_of Windows x86_64-pc-windows-msvc x86_64-pc-windows-gnu aarch64-pc-windows-msvc
check_one_of macOS aarch64-apple-darwin x86_64-apple-darwin
