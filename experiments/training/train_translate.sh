#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Trains the translation pair on one GPU, aligns the little model and writes reference outputs.
# DATA: folder with multi30k/. MODELS: where to write. BIG_MINUTES, LITTLE_MINUTES,
# ALIGNED_MINUTES: training times. ALIGN_DATA: JSONL of `lathe-run decode.align-data`; without it
# the script has the big model translate by itself.
set -euo pipefail
cd "$(dirname "$0")"

data=${DATA:?set DATA to the folder that holds multi30k/ (see README.md)}
models=${MODELS:-/tmp/models}
pairs=${ALIGN_DATA:-$models/align.jsonl}

mkdir -p "$models"
train() { python3 train_translate.py "$1" "$data" "$models" "${@:2}"; }
{
    train big --minutes "${BIG_MINUTES:-5}"
    train little --minutes "${LITTLE_MINUTES:-2}"
    [ -n "${ALIGN_DATA:-}" ] || { train sources; train outputs; }
    train aligned --minutes "${ALIGNED_MINUTES:-2}" --pairs "$pairs"
} 2>&1 | tee "$models/translate.log"
python3 make_reference.py "$models"/translate-{big,little,little-aligned}
