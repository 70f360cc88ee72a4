#!/usr/bin/env bash
# The published crates build with the oldest Rust that they promise.
set -euo pipefail
source "$(dirname "$0")/common.sh"

oldest=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
packages=()
for package in $PUBLISHED; do
    packages+=(--package "$package")
done

if ! command -v rustup >/dev/null; then
    skip "oldest Rust $oldest: rustup is not installed"
elif ! rustup toolchain list | grep -q "^$oldest[.-]"; then
    skip "oldest Rust $oldest: that toolchain is not installed"
else
    run env RUSTUP_TOOLCHAIN="$oldest" cargo check --all-features "${packages[@]}"
fi
