#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tiny random-weight model folders in Hugging Face format, one per architecture variant.

Each gets a reference.safetensors with inputs and the float32 outputs of transformers on the CPU.
The weights mean nothing; the folders exist so that any implementation can be checked against an
independent one.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    MT5Config,
    MT5ForConditionalGeneration,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

PROMPT_TOKENS = 9
NEW_TOKENS = 24
SOURCE_TOKENS = 22  # the end token included
TRANSLATED_TOKENS = 20
HIDDEN_BY_SEED = {1: 64, 2: 96}


class FixtureWriter:
    """Fills models with seeded weights and writes them with their outputs."""

    def __init__(self, out: Path, seed: int) -> None:
        self.out = out
        self.seed = seed
        self.random = random.Random(seed)
        self.vocabulary = 199 + seed

    def spread(self, model: PreTrainedModel, std: float) -> PreTrainedModel:
        """Sets weights large enough that every part of the computation shows in the outputs."""
        torch.manual_seed(self.seed)
        for name, parameter in model.named_parameters():
            if parameter.ndim >= 2:
                torch.nn.init.normal_(parameter, std=std)
            elif "bias" in name:
                torch.nn.init.normal_(parameter, std=0.3)
            else:
                torch.nn.init.normal_(parameter, mean=1.0, std=0.2)
        return model.eval()

    @torch.no_grad()
    def causal(self, name: str, model: PreTrainedModel, length: int = 37) -> None:
        """One decoder: logits of random ids, hidden states after a layer, greedy continuation."""
        self.spread(model, 0.15)
        ids = torch.tensor([[self.random.randrange(3, self.vocabulary) for _ in range(length)]])
        result = model(ids, output_hidden_states=True)
        prompt = ids[:, :PROMPT_TOKENS]
        greedy = model.generate(
            prompt,
            max_new_tokens=NEW_TOKENS,
            do_sample=False,
            pad_token_id=0,
            eos_token_id=self.vocabulary + 5,  # never met: always NEW_TOKENS tokens
        )
        tensors = {
            "input_ids": ids[0].int(),
            "logits": result.logits[0],
            "hidden_after_layer_0": result.hidden_states[1][0],
            "prompt_ids": prompt[0].int(),
            "greedy_ids": greedy[0].int(),
        }
        self.write(name, model, tensors)

    @torch.no_grad()
    def translation(self, name: str, model: PreTrainedModel) -> None:
        """One encoder-decoder: encoder output of random ids, greedy text and its logits."""
        self.spread(model, 0.12)
        vocabulary = model.config.vocab_size
        drawn = [self.random.randrange(3, vocabulary) for _ in range(SOURCE_TOKENS - 1)]
        ids = torch.tensor([drawn + [1]])
        encoded = model.encoder(input_ids=ids).last_hidden_state
        greedy = model.generate(
            input_ids=ids,
            max_new_tokens=TRANSLATED_TOKENS,
            do_sample=False,
            num_beams=1,
            eos_token_id=vocabulary + 5,  # never met: always TRANSLATED_TOKENS tokens
        )
        logits = model(input_ids=ids, decoder_input_ids=greedy[:, :-1]).logits
        tensors = {
            "0.input_ids": ids[0].int(),
            "0.encoder_output": encoded[0],
            "0.greedy_ids": greedy[0].int(),
            "0.logits": logits[0],
        }
        self.write(name, model, tensors)
        again = type(model).from_pretrained(self.out / name).eval()
        if not torch.equal(again(input_ids=ids, decoder_input_ids=greedy[:, :-1]).logits, logits):
            raise RuntimeError(f"{name}: transformers reads another model than it wrote")

    def write(self, name: str, model: PreTrainedModel, tensors: dict[str, torch.Tensor]) -> None:
        """Writes the folder in small shards, so that sharded reading is tested as well."""
        folder = self.out / name
        model.save_pretrained(folder, max_shard_size="200KB")
        stored = {key: t.detach().contiguous().clone() for key, t in tensors.items()}
        save_file(stored, folder / "reference.safetensors")
        parameters = sum(p.numel() for p in model.parameters())
        print(name, parameters, {key: list(t.shape) for key, t in stored.items()})


def shared_settings(seed: int) -> dict[str, Any]:
    """What all decoder variants have in common; the seed also sets the sizes."""
    hidden = HIDDEN_BY_SEED.get(seed, 80)
    return dict(
        vocab_size=199 + seed,
        hidden_size=hidden,
        intermediate_size=hidden * 2 + 24,
        num_hidden_layers=3,
        max_position_embeddings=512,
        rms_norm_eps=1e-5,
        num_attention_heads=4,
    )


def write_decoders(writer: FixtureWriter) -> None:
    """All variants, in a fixed order: they draw from one random sequence."""
    shared = shared_settings(writer.seed)
    untied = LlamaConfig(
        **shared, num_key_value_heads=2, tie_word_embeddings=False, rope_theta=500000.0
    )
    writer.causal("llama-gqa-untied", LlamaForCausalLM(untied))
    scaling = {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 128,
    }
    scaled = LlamaConfig(
        **shared,
        num_key_value_heads=1,
        tie_word_embeddings=True,
        rope_theta=500000.0,
        rope_scaling=scaling,
    )
    writer.causal("llama3-rope-scaling", LlamaForCausalLM(scaled), length=150)
    qwen2 = Qwen2Config(**shared, num_key_value_heads=2, tie_word_embeddings=True)
    writer.causal("qwen2", Qwen2ForCausalLM(qwen2))
    mistral = MistralConfig(
        **shared,
        num_key_value_heads=2,
        head_dim=40,
        sliding_window=None,
        tie_word_embeddings=False,
    )
    writer.causal("mistral-head-dim", MistralForCausalLM(mistral))


def write_translators(writer: FixtureWriter) -> None:
    """T5 with its head tied and scaled, tied and unscaled, and (as mT5) with one of its own."""
    hidden = HIDDEN_BY_SEED.get(writer.seed, 80)
    special = dict(decoder_start_token_id=0, pad_token_id=0, eos_token_id=1)
    shared = dict(
        **special,
        vocab_size=211 + writer.seed,
        d_model=hidden,
        d_ff=hidden * 2,
        num_layers=2,
        num_decoder_layers=2,
        num_heads=4,
        relative_attention_num_buckets=16,
        relative_attention_max_distance=40,
    )
    scaled = T5Config(**shared, d_kv=24, feed_forward_proj="relu", tie_word_embeddings=True)
    writer.translation("t5-relu-tied", T5ForConditionalGeneration(scaled))
    unscaled = T5Config(
        **shared, d_kv=16, feed_forward_proj="gated-gelu", tie_word_embeddings=False
    )
    writer.translation("t5-gated-tied-unscaled", T5ForConditionalGeneration(unscaled))
    small = MT5Config(
        **special,
        vocab_size=99 + writer.seed,
        d_model=32,
        d_kv=12,
        d_ff=40,
        num_layers=2,
        num_decoder_layers=1,
        num_heads=3,
        relative_attention_num_buckets=8,
        relative_attention_max_distance=20,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
    )
    untied = MT5ForConditionalGeneration(small)
    # Newer versions tie what their settings call untied, until the weights differ.
    untied.lm_head.weight = torch.nn.Parameter(torch.empty(small.vocab_size, small.d_model))
    untied.config.tie_word_embeddings = False
    writer.translation("mt5-untied", untied)


def main() -> None:
    """Writes all folders under OUT_DIR."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT_DIR")
    parser.add_argument(
        "--seed", type=int, default=1, help="of weights and inputs (default 1: the test data)"
    )
    arguments = parser.parse_args()
    writer = FixtureWriter(arguments.out, arguments.seed)
    write_decoders(writer)
    write_translators(writer)


if __name__ == "__main__":
    main()
