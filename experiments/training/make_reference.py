#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes reference.safetensors into language-model folders.

It holds fixed inputs and the outputs of the Hugging Face implementation in float32 on the CPU, for
parity tests of any other implementation.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import sentencepiece as spm
import torch
from safetensors.torch import save_file
from transformers import LlamaForCausalLM

TEXT = "The ship was old, and the captain knew that the storm would come before the night was over."
BOS, EOS = 1, 2
PROMPT_TOKENS = 8
NEW_TOKENS = 48


@torch.no_grad()
def language_model_outputs(folder: Path) -> dict[str, torch.Tensor]:
    """Logits and first hidden states of TEXT, and the greedy continuation of its beginning."""
    model = LlamaForCausalLM.from_pretrained(folder, torch_dtype=torch.float32).eval()
    tokenizer = spm.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    ids = torch.tensor([[BOS] + tokenizer.encode(TEXT)])
    out = model(ids, output_hidden_states=True)
    prompt = ids[:, :PROMPT_TOKENS]
    generated = model.generate(
        prompt, max_new_tokens=NEW_TOKENS, do_sample=False, pad_token_id=EOS
    )
    return {
        "input_ids": ids[0].int(),
        "logits": out.logits[0],
        "hidden_after_layer_0": out.hidden_states[1][0],
        "prompt_ids": prompt[0].int(),
        "greedy_ids": generated[0].int(),
    }


def main() -> None:
    """Handles the folders one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", metavar="MODEL_DIR")
    for folder in parser.parse_args().folders:
        tensors = language_model_outputs(folder)
        stored = {name: t.detach().contiguous().clone() for name, t in tensors.items()}
        save_file(stored, folder / "reference.safetensors")
        print(folder.name, {name: list(t.shape) for name, t in stored.items()})


if __name__ == "__main__":
    main()
