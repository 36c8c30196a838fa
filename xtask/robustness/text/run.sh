#!/bin/sh
# Writes docs/robustness/text.md: xtask/robustness/text/run.sh HARNESS CORPUS [PYTHON]. See measure.py for what they hold.
set -eu
[ $# -ge 2 ] || { echo "usage: $0 HARNESS CORPUS [PYTHON]" >&2; exit 2; }
root=$(cd "$(dirname "$0")/../../.." && pwd)
# the command only lends its p-values: a development build is ready sooner
cargo build --quiet --manifest-path "$root/Cargo.toml" -p colophon-cli
cargo build --quiet --release --manifest-path "$root/Cargo.toml" -p colophon-tokenmark --features tokenizer,config --example robustness
target=$(cargo metadata --manifest-path "$root/Cargo.toml" --format-version 1 --no-deps |
    python3 -c 'import json,sys; print(json.load(sys.stdin)["target_directory"])')
OMP_NUM_THREADS=1 "${3:-python3}" "$root/xtask/robustness/text/measure.py" --harness "$1" --corpus "$2" \
    --colophon "$target/debug/colophon" --robustness "$target/release/examples/robustness"
