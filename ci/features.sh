#!/usr/bin/env bash
# The published crates build with every combination of features, and so do the benchmarks that are workspaces of
# their own, with the versions that they are locked to.
#
# usage: FEATURE_DEPTH=3 ci/features.sh
#
# Checked are all sets of up to FEATURE_DEPTH features, the default set and the full set.
set -euo pipefail
source "$(dirname "$0")/common.sh"

depth=${FEATURE_DEPTH:-2}
metadata=$(cargo metadata --no-deps --format-version 1)

# The features of the package $1, one a line, without `default`.
#
# A package starts with its name and its version; its features are the only object of that name in
# it, and hold nothing but lists.
features_of() {
    local package
    package=${metadata#*"{\"name\":\"$1\",\"version\":"}
    if [[ $package == "$metadata" ]]; then
        fail "cargo metadata knows no package $1"
    fi
    package=${package#*'"features":{'}
    package=${package%%\}*}
    { grep -o '"[^"]*":\[' <<<"$package" || true; } | sed 's/"\(.*\)":\[/\1/' | sed '/^default$/d'
}

checked=0
check() {
    run cargo check --quiet --package "$@"
    checked=$((checked + 1))
}

for package in $PUBLISHED; do
    names=$(features_of "$package")
    features=()
    for name in $names; do
        features+=("$name")
    done
    count=${#features[@]}
    check "$package"
    for ((set = 0; set < 1 << count; set++)); do
        chosen=""
        size=0
        for ((index = 0; index < count; index++)); do
            if ((set >> index & 1)); then
                chosen="$chosen,${features[index]}"
                size=$((size + 1))
            fi
        done
        if ((size <= depth || size == count)); then
            check "$package" --no-default-features --features "${chosen#,}"
        fi
    done
done
for bench in core/benches/peers harness/benches/schedules; do
    run cargo check --quiet --locked --target-dir target --manifest-path "$bench/Cargo.toml"
done
echo "$checked sets of features build"
