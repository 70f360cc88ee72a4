# What every script in this folder starts with: strict mode, the root folder, one set of flags.
# To be sourced, from bash 3.2 on.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Every step compiles with the same flags, so that all of them share the target folder.
case " ${RUSTFLAGS:-} " in
*" -D warnings "*) ;;
*) export RUSTFLAGS="${RUSTFLAGS:+$RUSTFLAGS }-D warnings" ;;
esac
export RUSTDOCFLAGS="-D warnings"
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-auto}"

# Settings of the developer's shell must not change what the tests see.
for name in ${!GMP_@}; do
    unset "$name"
done

# The crates that are published.
# shellcheck disable=SC2034 # used by the scripts that source this file
PUBLISHED="gmp-core gmp-macros gmp"

# Says what is not checked here, and why. `.ci/run` collects these lines in $CI_SKIPPED.
skip() {
    echo "skipped: $*"
    if [[ -n ${CI_SKIPPED:-} ]]; then
        echo "$*" >>"$CI_SKIPPED"
    fi
}

# Runs a command and shows it. Leaves a mark in $CI_RAN, so that `.ci/run` knows that something ran.
run() {
    echo "+ $*"
    if [[ -n ${CI_RAN:-} ]]; then
        echo "$*" >>"$CI_RAN"
    fi
    "$@"
}

fail() {
    echo "error: $*" >&2
    exit 1
}

# The command that the README tells people to test with: the first line of a code block that starts
# with `cargo test`, without the prompt and the comment around it.
readme_test_command() {
    local line block=0
    if [[ ! -f README.md ]]; then
        echo "cargo test"
        return
    fi
    while IFS= read -r line || [[ -n $line ]]; do
        line=${line%$'\r'}
        if [[ $line == '```'* ]]; then
            block=$((1 - block))
        elif [[ $block == 1 && $line =~ ^(\$\ )?(cargo\ test(\ [^#]*)?)(#.*)?$ ]]; then
            echo "${BASH_REMATCH[2]}"
            return
        fi
    done <README.md
    fail "no code block of README.md has a line that starts with \`cargo test\`"
}
