#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains the German-to-English pair of T5-architecture models and aligns the little one.

All share one SentencePiece vocabulary, learned by the big model's run. DATA_DIR holds
multi30k/{train,val,test_2016_flickr}.{de,en}. Alignment is that of Big Little Decoder (section
3.5.1 of the paper): the little model is fine-tuned on the big one's greedy translations, a JSONL
file as `lathe-run decode.align-data` or this script's `outputs` writes it. `sources` writes the
sentences to translate: the training inputs and others spliced from their parts.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import sacrebleu
import sentencepiece as spm
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from t5_model import EOS, PAD, T5, T5Size, greedy
from training_run import Clock, export
from translation_data import (
    LENGTHS,
    PairBatches,
    learn_vocabulary,
    read_alignment,
    read_pairs,
    spliced,
)

EVALUATIONS = 12
SOURCES = "align.de"
NAMES = {
    "big": "translate-big",
    "little": "translate-little",
    "aligned": "translate-little-aligned",
}


@dataclass(frozen=True)
class Recipe:
    """How one of the models is trained; rates are relative to the size of the weights."""

    size: T5Size
    dropout: float
    peak: float
    label_smoothing: float = 0.1
    source_sampled: float = 0.7  # share of sentences under a random segmentation
    target_sampled: float = 0.5  # the same, for the first part of the time
    target_sampled_until: float = 0.6
    tokens: int = 6144  # of a batch and side, padding included
    average: float = 0.999  # decay of the averaged weights, which are the ones kept
    seed: int = 0


BIG = T5Size(d_model=256, d_kv=32, num_heads=4, d_ff=512, num_layers=4, num_decoder_layers=4)
LITTLE = T5Size(d_model=128, d_kv=32, num_heads=4, d_ff=192, num_layers=3, num_decoder_layers=1)
RECIPES = {
    "big": Recipe(BIG, dropout=0.3, peak=2e-2),
    "little": Recipe(LITTLE, dropout=0.1, peak=2e-2),
    "aligned": Recipe(
        LITTLE,
        dropout=0.05,
        peak=1e-2,
        label_smoothing=0.0,
        source_sampled=0.5,
        target_sampled=0.0,
    ),
}


def rate_scales(fresh: T5) -> list[float]:
    """For each parameter the root mean square of its values before training, to one digit.

    Rates in proportion to it are Adafactor's rule. T5 needs them: at one rate for all its
    embedding, of unit variance, moves too slowly and its unscaled queries too fast. Position
    biases have no natural size.
    """
    return [
        1.0 if "relative" in name else float(f"{p.detach().square().mean().sqrt().item():.1g}")
        for name, p in fresh.named_parameters()
    ]


class Training:
    """A model, the average of its weights, and its training step as one CUDA graph a length."""

    def __init__(self, model: T5, scales: list[float], recipe: Recipe) -> None:
        self.model, self.recipe, self.steps = model.train(), recipe, 0
        self.average = copy.deepcopy(model).eval()
        self.parameters = list(model.parameters())
        self.averages = [p.detach() for p in self.average.parameters()]
        self.scales = torch.tensor(sorted(set(scales)), device="cuda")
        self.rates = torch.zeros_like(self.scales)
        groups = [
            {"params": [p for p, own in zip(self.parameters, scales) if own == scale], "lr": rate}
            for scale, rate in zip(sorted(set(scales)), self.rates)
        ]
        self.optimizer = torch.optim.AdamW(
            groups, betas=(0.9, 0.98), weight_decay=0.0, fused=True, capturable=True
        )
        self.loss_sum = torch.zeros((), device="cuda")
        self.pool = torch.cuda.graph_pool_handle()
        self.graphs = {length: self.record(length) for length in LENGTHS}
        for state in self.optimizer.state.values():
            for value in state.values():
                value.zero_()
        self.loss_sum.zero_()

    def loss(self, source: Tensor, target: Tensor) -> Tensor:
        """Smoothed cross-entropy of the target tokens, the forward pass in bfloat16."""
        with torch.autocast("cuda", torch.bfloat16, cache_enabled=False):
            logits = self.model(source, target)
        return F.cross_entropy(
            logits.float().flatten(0, 1),
            target.flatten(),
            ignore_index=PAD,
            label_smoothing=self.recipe.label_smoothing,
        )

    def step(self, source: Tensor, target: Tensor) -> None:
        """Forward, backward, update and averaging; nothing here waits for the device."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(source, target)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(self.averages, self.parameters, 1 - self.recipe.average)
            self.loss_sum += loss

    def record(self, length: int) -> tuple[torch.cuda.CUDAGraph, Tensor, Tensor]:
        """The graph of a step and its inputs. Rates are 0 while it runs to warm up."""
        shape = (self.recipe.tokens // length, length)
        source = torch.full(shape, EOS, device="cuda")
        target = torch.full(shape, EOS, device="cuda")
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(2):
                self.step(source, target)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool):
            self.step(source, target)
        return graph, source, target

    def run(self, length: int, source: Tensor, target: Tensor, rate: float) -> None:
        """One step on a batch at the given rate."""
        torch.mul(self.scales, rate, out=self.rates)
        graph, source_input, target_input = self.graphs[length]
        source_input.copy_(source)
        target_input.copy_(target)
        graph.replay()
        self.steps += 1


def fit(
    training: Training,
    batches: PairBatches,
    minutes: float,
    score: Callable[[T5], float],
    name: str,
) -> T5:
    """Trains for `minutes`; returns the averaged weights where `score` was highest."""
    recipe, clock = training.recipe, Clock(minutes, training.recipe.peak, warm=0.06)
    best, best_state, last, seen = float("-inf"), None, clock.start, 0
    while not clock.done():
        sampled = recipe.target_sampled * (clock.fraction() < recipe.target_sampled_until)
        for length, source, target in batches.epoch(recipe.tokens, recipe.source_sampled, sampled):
            training.run(length, source, target, clock.rate())
        due = time.time() - last > minutes * 60 / EVALUATIONS and clock.fraction() > 0.3
        if not due and not clock.done():
            continue
        last, value = time.time(), score(training.average)
        loss = training.loss_sum.item() / (training.steps - seen)
        print(
            f"{name} {last - clock.start:.0f} s, step {training.steps}: loss {loss:.3f} "
            f"score {value:.3f}",
            flush=True,
        )
        training.loss_sum.zero_()
        seen = training.steps
        if value > best:
            best = value
            best_state = {k: t.clone() for k, t in training.average.state_dict().items()}
    training.average.load_state_dict(best_state)
    return training.average


class Scorer:
    """BLEU of a model on the held-out splits."""

    def __init__(self, data: Path, vocabulary: bytes) -> None:
        self.tokenizer = spm.SentencePieceProcessor(model_proto=vocabulary)
        self.splits = {name: read_pairs(data, name) for name in ("val", "test_2016_flickr")}

    def sources(self, split: str) -> list[list[int]]:
        """Encoded German sentences of a split."""
        return [self.tokenizer.encode(s) + [EOS] for s, _ in self.splits[split]]

    def bleu(self, model: T5, split: str) -> float:
        """sacreBLEU with its defaults, of greedy translations."""
        outputs = self.tokenizer.decode(greedy(model, self.sources(split)))
        return sacrebleu.corpus_bleu(outputs, [[t for _, t in self.splits[split]]]).score

    def quick_bleu(self, model: T5) -> float:
        """On the validation split in bfloat16, to choose a checkpoint."""
        with torch.autocast("cuda", torch.bfloat16):
            return self.bleu(model, "val")


class Agreement:
    """How well a little model predicts a big one's greedy translations of the validation split.

    Both are fed the big one's tokens, as in speculative decoding after an accepted prefix.
    """

    def __init__(self, big: T5, scorer: Scorer) -> None:
        self.scorer, self.sources = scorer, scorer.sources("val")
        self.outputs = greedy(big, self.sources)

    @torch.no_grad()
    def measure(self, little: T5) -> dict[str, float]:
        """Shares of positions: same token, unsure of it, sure but wrong; and run freely."""
        little.eval()
        target = pad([ids + [EOS] for ids in self.outputs])
        probabilities = little(pad(self.sources), target).float().softmax(-1)
        sure, token = probabilities.max(-1)
        real, same = target != PAD, token == target
        free = greedy(little, self.sources)
        positions = sum(len(ids) + 1 for ids in self.outputs)
        equal = sum(
            a == b
            for one, other in zip(self.outputs, free)
            for a, b in zip(one + [EOS], other + [EOS])
        )
        nll = F.cross_entropy(
            probabilities.clamp(min=1e-9).log().flatten(0, 1), target.flatten(), ignore_index=PAD
        )
        return {
            "token agreement": same[real].float().mean().item(),
            "confidence below 0.6": (sure < 0.6)[real].float().mean().item(),
            "confident and different": ((sure >= 0.6) & ~same)[real].float().mean().item(),
            "nll of the big model's tokens": nll.item(),
            "free-running agreement": equal / positions,
            "equal sentences": sum(a == b for a, b in zip(self.outputs, free)) / len(free),
        }

    def score(self, little: T5) -> float:
        """What the aligned checkpoint is chosen by."""
        return self.measure(little)["token agreement"]


def pad(rows: list[list[int]]) -> Tensor:
    """Rows of ids as one tensor on the GPU."""
    tensors = [torch.tensor(row) for row in rows]
    return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=PAD).cuda()


def load(folder: Path, dropout: float = 0.0) -> T5:
    """The model of a folder."""
    config = json.loads((folder / "config.json").read_text())
    size = T5Size(**{key: config[key] for key in T5Size.__dataclass_fields__})
    model = T5(size, config["vocab_size"], dropout)
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model.float().cuda()


def save(folder: Path, model: T5, vocabulary: bytes, scorer: Scorer, steps: int) -> None:
    """Scores the weights as rounded to F16, computing in float32, and writes the folder."""
    model.half().float()
    scores = {f"{split} BLEU": scorer.bleu(model, split) for split in scorer.splits}
    parameters = sum(p.numel() for p in model.parameters())
    training = {"parameters": parameters, "steps": steps, "fp16_scores": scores}
    export(model.state_dict(), model.config(), folder, training=training)
    (folder / "spiece.model").write_bytes(vocabulary)
    print(folder.name, json.dumps(scores), flush=True)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "what",
        choices=(*NAMES, "sources", "outputs"),
        help="the model to train, or what to write for the alignment",
    )
    parser.add_argument("data", type=Path, metavar="DATA_DIR", help="folder with multi30k/")
    parser.add_argument("out", type=Path, metavar="OUT_DIR", help="where the folders are")
    parser.add_argument(
        "--minutes", type=float, default=4, help="training time (default 4); sets the schedule"
    )
    parser.add_argument(
        "--pairs", type=Path, help="JSONL of `aligned` and `outputs` (default OUT_DIR/align.jsonl)"
    )
    parser.add_argument(
        "--spliced",
        type=int,
        default=300000,
        metavar="N",
        help="sentences that `sources` makes up",
    )
    return parser.parse_args()


def write_sources(arguments: argparse.Namespace) -> None:
    """Writes OUT_DIR/align.de: the training inputs, each once, and the spliced sentences."""
    sentences = list(dict.fromkeys(source for source, _ in read_pairs(arguments.data, "train")))
    sentences += spliced(sentences, arguments.spliced)
    (arguments.out / SOURCES).write_text("\n".join(sentences) + "\n", encoding="utf-8")


def write_outputs(out: Path, pairs: Path) -> None:
    """Writes the big model's greedy translations of align.de, after a line of provenance."""
    folder = out / NAMES["big"]
    sentences = (out / SOURCES).read_text(encoding="utf-8").splitlines()
    tokenizer = spm.SentencePieceProcessor(model_file=str(folder / "spiece.model"))
    encoded = [ids + [EOS] for ids in tokenizer.encode(sentences)]
    outputs = tokenizer.decode(greedy(load(folder), encoded))
    weights = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    with pairs.open("w", encoding="utf-8") as file:
        first = {"model": folder.name, "weights_sha256": weights, "decoding": "greedy"}
        for record in [first] + [{"src": s, "tgt": t} for s, t in zip(sentences, outputs)]:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def train(what: str, arguments: argparse.Namespace, pairs_file: Path) -> None:
    """Trains one of the three models and writes its folder."""
    recipe, big_folder = RECIPES[what], arguments.out / NAMES["big"]
    torch.manual_seed(recipe.seed)
    if what == "aligned":
        pairs = read_alignment(pairs_file)
    else:
        pairs = read_pairs(arguments.data, "train")
    if what == "big" and not (big_folder / "spiece.model").exists():
        vocabulary = learn_vocabulary([sentence for pair in pairs for sentence in pair])
    else:
        vocabulary = (big_folder / "spiece.model").read_bytes()
    scorer = Scorer(arguments.data, vocabulary)
    model = T5(recipe.size, scorer.tokenizer.vocab_size(), recipe.dropout).cuda()
    scales, score = rate_scales(model), scorer.quick_bleu
    if what == "aligned":
        agreement = Agreement(load(big_folder), scorer)
        model = load(arguments.out / NAMES["little"], recipe.dropout)
        print("before:", json.dumps(agreement.measure(model)), flush=True)
        score = agreement.score
    training = Training(model, scales, recipe)
    best = fit(training, PairBatches(vocabulary, pairs), arguments.minutes, score, what)
    save(arguments.out / NAMES[what], best, vocabulary, scorer, training.steps)
    if what == "aligned":
        print("after:", json.dumps(agreement.measure(best)), flush=True)


def main() -> None:
    """Trains a model or writes what the little one is aligned with."""
    arguments = parse_arguments()
    pairs_file = arguments.pairs or arguments.out / "align.jsonl"
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.what == "sources":
        write_sources(arguments)
    elif arguments.what == "outputs":
        write_outputs(arguments.out, pairs_file)
    else:
        train(arguments.what, arguments, pairs_file)


if __name__ == "__main__":
    main()
