#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds the fuzz targets and runs each for some seconds: tests/fuzz/run.sh [SECONDS] [TARGET...]
# What a target learns stays in build/fuzz/corpus; a finding is left in build/fuzz/findings and ends
# the script with status 1.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds="${1:-180}"
shift || true
targets=("$@")
if [ "${#targets[@]}" -eq 0 ]; then
  targets=(fuzz_safetensors fuzz_gguf fuzz_tokenizer fuzz_frame fuzz_spec)
fi

cmake --preset fuzz >/dev/null
ninja -C build/fuzz "${targets[@]}"
failed=0
for target in "${targets[@]}"; do
  learned="build/fuzz/corpus/$target"
  findings="build/fuzz/findings/$target"
  mkdir -p "$learned" "$findings"
  dictionary=()
  if [ -f "tests/fuzz/$target.dict" ]; then
    dictionary=("-dict=tests/fuzz/$target.dict")
  fi
  echo "== $target, $seconds s"
  if ! "build/fuzz/bin/$target" "$learned" "tests/fuzz/corpus/$target" "${dictionary[@]}" \
    "-max_total_time=$seconds" -rss_limit_mb=3000 -timeout=10 -max_len=16384 \
    "-artifact_prefix=$findings/" -print_final_stats=1 >"build/fuzz/$target.log" 2>&1; then
    echo "   FOUND something: build/fuzz/$target.log"
    failed=1
  fi
  grep -E "^#[0-9]+.*DONE|^stat::number_of_executed|^SUMMARY" "build/fuzz/$target.log" || true
done
exit "$failed"
