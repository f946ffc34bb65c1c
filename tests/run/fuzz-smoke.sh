#!/bin/bash
# Runs every fuzz target of a fuzz build for some seconds, two at a time, each from its seeds in
# tests/fuzz/corpus/NAME. LEDGER_FUZZ_SECONDS says how long (default 20). Ends with the totals.
set -uo pipefail

build=$1
seconds=${LEDGER_FUZZ_SECONDS:-20}
work=$(mktemp -d /tmp/ledger-fuzz.XXXXXX)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

run_target() {
    local target=$1 name corpus folders
    name=$(basename "$target")
    corpus=tests/fuzz/corpus/${name#fuzz_}
    mkdir -p "$work/$name"
    # What is found on the way goes to the first folder, so that the seeds stay as they are.
    folders=("$work/$name")
    [ ! -d "$corpus" ] || folders+=("$corpus")
    if timeout "$((seconds + 120))" "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
        -max_len=65536 -print_final_stats=1 -artifact_prefix="$work/$name-" \
        "${folders[@]}" >"$work/$name.log" 2>&1; then
        echo "ok   $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$name.log") inputs"
    else
        echo "FAIL $name"
        tail -n 60 "$work/$name.log"
        for artifact in "$work/$name"-*; do
            [ -f "$artifact" ] && echo "input (base64): $(head -c 4096 "$artifact" | base64 -w 0)"
        done
        touch "$work/$name.failed"
    fi
}

passed=0
failed=0
targets=("$build"/tests/fuzz/fuzz_*)
for target in "${targets[@]}"; do
    if [ -x "$target" ] && [ -f "$target" ]; then
        while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n; done
        run_target "$target" &
    fi
done
wait
for target in "${targets[@]}"; do
    if [ ! -f "$target" ] || [ ! -x "$target" ]; then
        continue
    elif [ -e "$work/$(basename "$target").failed" ]; then
        failed=$((failed + 1))
    else
        passed=$((passed + 1))
    fi
done
[ $((passed + failed)) -gt 0 ] || { echo "no fuzz target was built" >&2 && exit 1; }
echo "fuzz: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
