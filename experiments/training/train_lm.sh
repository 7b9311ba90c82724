#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Trains the language-model pair on one GPU and writes its reference outputs.
# DATA: folder with gutenberg/ and wikitext-2/. MODELS: where to write. LM_MINUTES: training time.
set -euo pipefail
cd "$(dirname "$0")"

data=${DATA:?set DATA to the folder that holds gutenberg/*.txt (see README.md)}
models=${MODELS:-/tmp/models}

mkdir -p "$models"
python3 train_lm.py "$data" "$models" --minutes "${LM_MINUTES:-3}" 2>&1 | tee "$models/lm.log"
python3 make_reference.py "$models/lm-big" "$models/lm-little"
