#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes reference.safetensors into model folders: language models (LLaMA) and translators (T5).

It holds fixed inputs and the outputs of the Hugging Face implementation in float32 on the CPU, for
parity tests of any other implementation.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import sentencepiece as spm
import torch
from safetensors.torch import save_file
from transformers import LlamaForCausalLM, T5ForConditionalGeneration

TEXT = (
    "The ship was old, and the captain knew that the storm would come before the night was over."
)
BOS, EOS = 1, 2
EOS_T5 = 1
PROMPT_TOKENS = 8
NEW_TOKENS = 48
# With the most tokens to translate them to: every logit is written, so the second is cut short.
SENTENCES = (("Er malt ein Boot.", NEW_TOKENS), ("Eine Eule schläft am Tag.", 5))


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


@torch.no_grad()
def translation_outputs(folder: Path) -> dict[str, torch.Tensor]:
    """Encoder output, greedy translation and its logits of each sentence.

    `greedy_ids` begins with the start token and ends with the end of the text, unless cut short;
    row i of `logits` follows from its first i + 1 tokens.
    """
    model = T5ForConditionalGeneration.from_pretrained(folder, torch_dtype=torch.float32).eval()
    tokenizer = spm.SentencePieceProcessor(model_file=str(folder / "spiece.model"))
    tensors = {}
    for k, (sentence, limit) in enumerate(SENTENCES):
        ids = torch.tensor([tokenizer.encode(sentence) + [EOS_T5]])
        greedy = model.generate(input_ids=ids, max_new_tokens=limit, do_sample=False)
        out = model(input_ids=ids, decoder_input_ids=greedy[:, :-1])
        tensors[f"{k}.input_ids"] = ids[0].int()
        tensors[f"{k}.encoder_output"] = out.encoder_last_hidden_state[0]
        tensors[f"{k}.greedy_ids"] = greedy[0].int()
        tensors[f"{k}.logits"] = out.logits[0]
        print(sentence, "->", tokenizer.decode(greedy[0].tolist()))
    return tensors


OUTPUTS = {"llama": language_model_outputs, "t5": translation_outputs}


def main() -> None:
    """Handles the folders one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", metavar="MODEL_DIR")
    for folder in parser.parse_args().folders:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        tensors = OUTPUTS[config["model_type"]](folder)
        stored = {name: t.detach().contiguous().clone() for name, t in tensors.items()}
        save_file(stored, folder / "reference.safetensors")
        print(folder.name, {name: list(t.shape) for name, t in stored.items()})


if __name__ == "__main__":
    main()
