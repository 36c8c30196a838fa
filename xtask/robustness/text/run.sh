#!/bin/sh
# Writes docs/robustness/text.md. Arguments are passed on:
#   xtask/robustness/text/run.sh --english moby_dick.txt --chinese hongloumeng.txt
# Without files of human text the tables that need them are left out.
set -eu
root=$(cd "$(dirname "$0")/../../.." && pwd)
mkdir -p "$root/docs/robustness"
cargo run --quiet --release --manifest-path "$root/Cargo.toml" -p colophon-tokenmark --features tokenizer \
    --example robustness -- "$@" >"$root/docs/robustness/text.md.part"
mv "$root/docs/robustness/text.md.part" "$root/docs/robustness/text.md"
