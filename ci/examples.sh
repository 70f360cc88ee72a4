#!/usr/bin/env bash
# Every example runs, succeeds, and prints what it should.
#
# usage: ci/examples.sh [NAME..]
#
# examples/expected/NAME.txt says what `examples/NAME.rs` must print on stdout and stderr together:
# each line of it occurs in a line of the output, in the same order. `...` stands for any text. Empty
# lines and lines that start with `# ` are comments.
set -euo pipefail
source "$(dirname "$0")/common.sh"

export NO_COLOR=1

# An example that hangs must not hang the run, where the system can help.
limit=""
if timeout 1 true 2>/dev/null; then
    limit="timeout 120"
fi

# Whether the line $1 holds the pieces of the pattern $2 in order.
holds() {
    local rest=$1 pattern=$2 piece
    while [[ $pattern == *...* ]]; do
        piece=${pattern%%...*}
        pattern=${pattern#*...}
        [[ $rest == *"$piece"* ]] || return 1
        rest=${rest#*"$piece"}
    done
    [[ $rest == *"$pattern"* ]]
}

# Reads lines from descriptor 3 up to one that holds the pattern $1.
find_line() {
    local line
    while IFS= read -r line <&3 || [[ -n $line ]]; do
        if holds "${line%$'\r'}" "$1"; then
            return 0
        fi
    done
    return 1
}

# Whether the file $1 has every line of the expectation $2, in order.
check() {
    local pattern
    while IFS= read -r pattern || [[ -n $pattern ]]; do
        pattern=${pattern%$'\r'}
        if [[ -z $pattern || $pattern == "# "* ]]; then
            continue
        fi
        if ! find_line "$pattern"; then
            echo "not found, or not in this order: $pattern" >&2
            return 1
        fi
    done <"$2" 3<"$1"
}

# All examples, unless some are named.
names="$*"
if [[ -z $names ]]; then
    for file in examples/*.rs; do
        name=$(basename "$file" .rs)
        if [[ -f $file && $name != lib ]]; then
            names="$names $name"
        fi
    done
fi
for expected in examples/expected/*.txt; do
    if [[ -f $expected && ! -f examples/$(basename "$expected" .txt).rs ]]; then
        fail "$expected belongs to no example"
    fi
done

if [[ -z $names ]]; then
    skip "examples: there are none"
    exit 0
fi

run cargo build --examples --package gmp-examples
output=$(mktemp)
trap 'rm -f "$output"' EXIT
failed=""
for name in $names; do
    expected=examples/expected/$name.txt
    verdict="ok"
    # shellcheck disable=SC2086 # $limit is a command and its argument, or nothing
    if ! $limit cargo run --quiet --package gmp-examples --example "$name" >"$output" 2>&1; then
        verdict="FAILED: it did not succeed"
    elif [[ ! -f $expected ]]; then
        skip "output of example $name: there is no $expected"
        verdict="ok (output not checked)"
    elif ! check "$output" "$expected"; then
        verdict="FAILED: its output does not match $expected"
    fi
    echo "example $name: $verdict"
    if [[ $verdict == FAILED* ]]; then
        sed 's/^/    | /' "$output"
        failed="$failed $name"
    fi
done
if [[ -n $failed ]]; then
    fail "examples that failed:$failed"
fi
