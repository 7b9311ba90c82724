#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains the pair of LLaMA-architecture language models, lm-big and lm-little.

Both share one SentencePiece vocabulary, learned from the same public-domain books. DATA_DIR holds
gutenberg/*.txt and, for the out-of-domain score, wikitext-2/test.txt.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sentencepiece as spm
import torch
import torch.nn.functional as F
from transformers import LlamaConfig, LlamaForCausalLM

from training_run import Clock, adamw, export, step

VALID, TEST = "pg84.txt", "98-0.txt"
CONTEXT = 256
VOCABULARY = 4096
BOS, EOS = 1, 2
PROMPTS = ("It was a dark night, and", '"I am very glad to see you," said')


@dataclass(frozen=True)
class Recipe:
    """What distinguishes one model of the pair from the other."""

    name: str
    config: LlamaConfig
    dropout: float
    peak: float
    share: float  # of the minutes
    batch: int = 96
    seed: int = 0
    weight_decay: float = 0.1


@dataclass(frozen=True)
class Corpus:
    """Token ids to train on, to choose the checkpoint by, and to report."""

    train: list[int]
    valid: list[int]
    report: dict[str, list[int]]


def book_paragraphs(path: Path) -> list[str]:
    """The paragraphs of a Project Gutenberg text without its header and footer."""
    text = path.read_text(encoding="utf-8-sig", errors="ignore").replace("\r", "")
    start = re.search(r"\*\*\* ?START OF (THE|THIS) PROJECT GUTENBERG.*?\*\*\*", text, re.S)
    end = re.search(r"\*\*\* ?END OF (THE|THIS) PROJECT GUTENBERG", text)
    text = text[start.end() if start else 0 : end.start() if end else len(text)]
    paragraphs = [re.sub(r"\s+", " ", p).strip() for p in text.split("\n\n")]
    return [p for p in paragraphs if len(p) > 1]


def train_tokenizer(paragraphs: list[str], folder: Path) -> Path:
    """Learns the SentencePiece vocabulary and returns the path of the .model file."""
    corpus = folder / "corpus.txt"
    corpus.write_text("\n".join(paragraphs) + "\n", encoding="utf-8")
    spm.SentencePieceTrainer.train(
        input=str(corpus),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=VOCABULARY,
        model_type="bpe",
        byte_fallback=True,
        character_coverage=0.9995,
        unk_id=0,
        bos_id=BOS,
        eos_id=EOS,
        pad_id=-1,
        split_digits=True,
        normalization_rule_name="identity",
        max_sentence_length=100000,
        num_threads=8,
        minloglevel=2,
    )
    return folder / "tokenizer.model"


def encode_document(tokenizer: spm.SentencePieceProcessor, paragraphs: list[str]) -> list[int]:
    """One document: beginning-of-text, then the paragraphs joined by a newline."""
    return [BOS] + tokenizer.encode("\n".join(paragraphs))


def load_corpus(
    books: dict[str, list[str]], tokenizer: spm.SentencePieceProcessor, wikitext: Path
) -> Corpus:
    """Encodes all books but the two held out; those and WikiText-2 are for the report."""
    train = [
        token
        for name, paragraphs in books.items()
        if name not in (VALID, TEST)
        for token in encode_document(tokenizer, paragraphs)
    ]
    valid = encode_document(tokenizer, books[VALID])
    report = {
        "valid: Frankenstein": valid,
        "test: A Tale of Two Cities": encode_document(tokenizer, books[TEST]),
    }
    if wikitext.exists():
        lines = [line.strip() for line in wikitext.read_text(encoding="utf-8").split("\n")]
        lines = [line for line in lines if line]
        report["wikitext-2 test (out of domain)"] = encode_document(tokenizer, lines)
    else:
        print(f"{wikitext} is absent: the out-of-domain score is left out", flush=True)
    sizes = {name: len(ids) for name, ids in report.items()}
    print("tokens:", {"train": len(train), **sizes}, flush=True)
    return Corpus(train, valid, report)


@torch.no_grad()
def mean_nll(
    model: LlamaForCausalLM, ids: list[int], context: int = CONTEXT, device: str = "cuda"
) -> float:
    """Mean negative log-likelihood per token over whole, non-overlapping windows."""
    model.eval()
    total, count = 0.0, 0
    windows = [ids[i : i + context] for i in range(0, len(ids) - 1, context)]
    windows = [w for w in windows if len(w) == context]
    for i in range(0, len(windows), 64):
        x = torch.tensor(windows[i : i + 64], device=device)
        logits = model(x).logits.float()
        predicted = logits[:, :-1].reshape(-1, logits.size(-1))
        targets = x[:, 1:].reshape(-1)
        total += F.cross_entropy(predicted, targets, reduction="sum").item()
        count += targets.numel()
    return total / count


def add_residual_dropout(model: LlamaForCausalLM, dropout: float) -> None:
    """Adds dropout after attention and feed-forward blocks; LLaMA itself has none."""

    def after_feed_forward(module: torch.nn.Module, _: Any, output: torch.Tensor) -> torch.Tensor:
        return F.dropout(output, dropout, module.training)

    def after_attention(module: torch.nn.Module, _: Any, output: tuple) -> tuple:
        return (F.dropout(output[0], dropout, module.training),) + tuple(output[1:])

    for layer in model.model.layers:
        layer.mlp.register_forward_hook(after_feed_forward)
        layer.self_attn.register_forward_hook(after_attention)


def training_loss(model: LlamaForCausalLM, x: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of the next token, the forward pass in bfloat16."""
    with torch.autocast("cuda", torch.bfloat16):
        logits = model(x).logits
    predicted = logits[:, :-1].float().reshape(-1, logits.size(-1))
    return F.cross_entropy(predicted, x[:, 1:].reshape(-1))


def fit(recipe: Recipe, corpus: Corpus, minutes: float) -> tuple[LlamaForCausalLM, int]:
    """Trains for `minutes`; returns the model at its best validation score and the steps made."""
    torch.manual_seed(recipe.seed)
    model = LlamaForCausalLM(recipe.config).cuda()
    add_residual_dropout(model, recipe.dropout)
    optimizer, clock = adamw(model, recipe.weight_decay), Clock(minutes, recipe.peak)
    data = torch.tensor(corpus.train, device="cuda")
    offsets = torch.arange(CONTEXT, device="cuda")
    best, best_state, steps, last = 1e9, None, 0, time.time()
    while not clock.done():
        model.train()
        starts = torch.randint(0, len(data) - CONTEXT - 1, (recipe.batch, 1), device="cuda")
        loss = training_loss(model, data[starts + offsets])
        step(optimizer, loss, model, clock)
        steps += 1
        if time.time() - last > max(10, minutes * 60 / 15) or clock.done():
            last = time.time()
            nll = mean_nll(model, corpus.valid)
            epochs = steps * recipe.batch * CONTEXT / len(data)
            print(
                f"{recipe.name} step {steps} epochs {epochs:.1f} train {loss.item():.3f} "
                f"valid {nll:.3f} ppl {math.exp(nll):.2f}",
                flush=True,
            )
            if nll < best:
                best = nll
                best_state = {k: t.detach().clone() for k, t in model.state_dict().items()}
    model.load_state_dict(best_state)
    return model, steps


def folder_config(config: LlamaConfig) -> dict[str, Any]:
    """The keys of config.json, written out so that they do not depend on a library's version."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.num_hidden_layers,
        "num_attention_heads": config.num_attention_heads,
        "num_key_value_heads": config.num_key_value_heads,
        "vocab_size": config.vocab_size,
        "rms_norm_eps": config.rms_norm_eps,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "max_position_embeddings": config.max_position_embeddings,
        "tie_word_embeddings": config.tie_word_embeddings,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "torch_dtype": "float16",
    }


def train_and_export(
    recipe: Recipe, corpus: Corpus, minutes: float, out: Path
) -> LlamaForCausalLM:
    """Trains one model, scores its weights as rounded to F16, and writes its folder."""
    model, steps = fit(recipe, corpus, minutes * recipe.share)
    tied = recipe.config.tie_word_embeddings
    state = {k: v for k, v in model.state_dict().items() if not (tied and k == "lm_head.weight")}
    # `state` keeps the float32 values, which export() rounds to F16 in the same way.
    model.half().float()
    nlls = {name: mean_nll(model, ids) for name, ids in corpus.report.items()}
    scores = {name: {"nll": v, "perplexity": math.exp(v)} for name, v in nlls.items()}
    training = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "steps": steps,
        "context": CONTEXT,
        "fp16_scores": scores,
    }
    export(state, folder_config(recipe.config), out / recipe.name, training=training)
    print(recipe.name, json.dumps(scores), flush=True)
    return model


def recipes() -> list[Recipe]:
    """The pair as bundled."""
    shared = dict(
        vocab_size=VOCABULARY,
        max_position_embeddings=1024,
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        bos_token_id=BOS,
        eos_token_id=EOS,
    )
    big = LlamaConfig(
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=5,
        num_attention_heads=4,
        num_key_value_heads=4,
        **shared,
    )
    little = LlamaConfig(
        hidden_size=128,
        intermediate_size=352,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        **shared,
    )
    return [
        Recipe("lm-big", big, dropout=0.2, peak=1.5e-3, share=0.72),
        Recipe("lm-little", little, dropout=0.0, peak=3e-3, share=0.28),
    ]


@torch.no_grad()
def print_samples(model: LlamaForCausalLM, tokenizer: spm.SentencePieceProcessor) -> None:
    """Prints one sampled continuation of each prompt, to be read by eye."""
    model.eval()
    for prompt in PROMPTS:
        ids = torch.tensor([[BOS] + tokenizer.encode(prompt)], device="cuda")
        out = model.generate(
            ids, max_new_tokens=60, do_sample=True, temperature=0.8, top_p=0.95, pad_token_id=EOS
        )
        print("SAMPLE", tokenizer.decode(out[0].tolist()), flush=True)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, metavar="DATA_DIR", help="folder with gutenberg/*.txt")
    parser.add_argument("out", type=Path, metavar="OUT_DIR", help="where the two folders go")
    parser.add_argument(
        "--minutes", type=float, default=6, help="training time of both together (default 6)"
    )
    return parser.parse_args()


def main() -> None:
    """Reads the books, learns the vocabulary, trains both models."""
    arguments = parse_arguments()
    random.seed(0)
    paths = [p for p in sorted((arguments.data / "gutenberg").glob("*.txt")) if p.stat().st_size]
    books = {path.name: book_paragraphs(path) for path in paths}
    for name in (VALID, TEST):
        if name not in books:
            raise SystemExit(f"{arguments.data}/gutenberg/{name} is needed and absent")
    with tempfile.TemporaryDirectory() as scratch:
        texts = [p for n, book in books.items() if n not in (VALID, TEST) for p in book]
        vocabulary = train_tokenizer(texts, Path(scratch))
        tokenizer = spm.SentencePieceProcessor(model_file=str(vocabulary))
        for recipe in recipes():
            (arguments.out / recipe.name).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(vocabulary, arguments.out / recipe.name / "tokenizer.model")
    corpus = load_corpus(books, tokenizer, arguments.data / "wikitext-2" / "test.txt")
    models = [train_and_export(r, corpus, arguments.minutes, arguments.out) for r in recipes()]
    print_samples(models[0], tokenizer)


if __name__ == "__main__":
    main()
