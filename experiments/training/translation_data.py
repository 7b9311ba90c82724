# SPDX-License-Identifier: Apache-2.0
"""Sentence pairs for training: text, vocabulary, sampled segmentations, batches of few shapes."""

from __future__ import annotations

import json
import multiprocessing
import random
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import sentencepiece as spm
import torch
from torch import Tensor

from t5_model import EOS, PAD, UNKNOWN

VOCABULARY = 2048
LENGTHS = (16, 24, 32, 48, 64)  # of padded batches; longer pairs are left out
SEGMENTED = 700_000  # segmentations of a language's sentences: the fewer, the more of each
SHARPNESS = 0.3  # SentencePiece's alpha: smaller cuts words into more and rarer pieces
PIVOTS = "auf in mit und an vor neben während durch am im über aus von bei unter hinter".split()

Pair = tuple[str, str]


def read_pairs(data: Path, split: str) -> list[Pair]:
    """The German and English sentences of a split of Multi30k."""
    stem = data / "multi30k" / split
    german, english = (
        [line.strip() for line in stem.with_suffix(ending).open(encoding="utf-8")]
        for ending in (".de", ".en")
    )
    if len(german) != len(english):
        raise SystemExit(f"{stem}.de and .en differ in their number of lines")
    return list(zip(german, english))


def read_alignment(path: Path) -> list[Pair]:
    """The pairs of a JSONL file with fields src and tgt; its first line may hold provenance."""
    pairs = []
    for number, line in enumerate(path.open(encoding="utf-8"), 1):
        record = json.loads(line)
        if "src" in record and "tgt" in record:
            pairs.append((record["src"], record["tgt"]))
        elif number > 1:
            raise SystemExit(f"{path}:{number}: a line needs the fields src and tgt")
    return pairs


def spliced(sentences: list[str], count: int, seed: int = 0) -> list[str]:
    """`count` new sentences: the beginning of one up to a common small word, the end of another.

    Most read like captions. Nobody has translated them, so they serve for alignment only: on them
    a model shows what it does with text that it was not trained on.
    """
    words = [sentence.split() for sentence in sentences]
    places: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for i, sentence in enumerate(words):
        for j, word in enumerate(sentence[1:], 1):
            if word in PIVOTS:
                places[word].append((i, j))
    flat = [(word, place) for word in sorted(places) for place in places[word]]
    draw, made = random.Random(seed), dict.fromkeys(sentences)
    while len(made) < len(sentences) + count:
        word, (i, j) = draw.choice(flat)
        other, k = draw.choice(places[word])
        new = words[i][:j] + words[other][k:]
        if 6 <= len(new) <= 22:
            made[" ".join(new)] = None
    return list(made)[-count:]


def learn_vocabulary(sentences: list[str]) -> bytes:
    """A SentencePiece unigram model of both languages."""
    with tempfile.TemporaryDirectory() as scratch:
        corpus = Path(scratch) / "corpus.txt"
        corpus.write_text("\n".join(sentences) + "\n", encoding="utf-8")
        spm.SentencePieceTrainer.train(
            input=str(corpus),
            model_prefix=str(Path(scratch) / "spiece"),
            vocab_size=VOCABULARY,
            model_type="unigram",
            character_coverage=1.0,
            pad_id=PAD,
            eos_id=EOS,
            unk_id=UNKNOWN,
            bos_id=-1,
            num_threads=8,
            minloglevel=2,
        )
        return (Path(scratch) / "spiece.model").read_bytes()


def segment(arguments: tuple[bytes, list[str], int]) -> tuple[np.ndarray, np.ndarray]:
    """Ids of all sentences in a row and their lengths; sampled but for variant 0.

    It runs in a process of its own, so that its seed is its own too.
    """
    vocabulary, sentences, variant = arguments
    tokenizer = spm.SentencePieceProcessor(model_proto=vocabulary)
    spm.set_random_generator_seed(variant)
    sampling = dict(enable_sampling=True, alpha=SHARPNESS, nbest_size=-1) if variant else {}
    rows = [ids + [EOS] for ids in tokenizer.encode(sentences, num_threads=1, **sampling)]
    flat = [token for row in rows for token in row]
    return np.array(flat, dtype=np.int16), np.array([len(row) for row in rows])


def padded(variants: list[tuple[np.ndarray, np.ndarray]]) -> tuple[Tensor, Tensor]:
    """Ids [variant, sentence, longest] and lengths [variant, sentence].

    A sampled segmentation that is too long gives way to the most likely one; where that is too
    long as well, the length says so and the ids are worthless.
    """
    places, ids, lengths = torch.arange(LENGTHS[-1]), [], []
    for flat, counts in variants:
        length = torch.from_numpy(counts)
        starts = length.cumsum(0) - length
        index = (starts[:, None] + places).clamp(max=len(flat) - 1)
        rows = torch.from_numpy(flat)[index].masked_fill(places >= length[:, None], PAD)
        long = length > LENGTHS[-1]
        if ids:
            rows, length = (
                torch.where(long[:, None], ids[0], rows),
                torch.where(long, lengths[0], length),
            )
        ids.append(rows)
        lengths.append(length)
    return torch.stack(ids), torch.stack(lengths)


class PairBatches:
    """Pairs on the GPU under many segmentations, served in batches of a few fixed shapes."""

    def __init__(self, vocabulary: bytes, pairs: list[Pair], device: str = "cuda") -> None:
        variants = min(24, max(4, SEGMENTED // len(pairs)))  # the first is the most likely one
        jobs = [(vocabulary, list(side), v) for side in zip(*pairs) for v in range(variants)]
        with multiprocessing.get_context("spawn").Pool() as pool:
            made = pool.map(segment, jobs, chunksize=1)
        sides = [padded(made[:variants]), padded(made[variants:])]
        keep = torch.maximum(sides[0][1][0], sides[1][1][0]) <= LENGTHS[-1]
        self.count, self.device = int(keep.sum()), device
        (self.source, self.source_length), (self.target, self.target_length) = (
            [tensor[:, keep].to(device) for tensor in side] for side in sides
        )

    def choose(self, sampled: float, variants: int) -> Tensor:
        """For each pair 0 or, with probability `sampled`, any segmentation."""
        drawn = torch.randint(0, variants, (self.count,), device=self.device)
        return drawn.masked_fill(torch.rand(self.count, device=self.device) >= sampled, 0)

    def epoch(
        self, tokens: int, source_sampled: float, target_sampled: float
    ) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Length, source ids and target ids of batches that hold every pair about once.

        A batch has tokens // length rows; the last one of each length is filled from the front.
        """
        pick = [self.choose(p, len(self.source)) for p in (source_sampled, target_sampled)]
        pairs = torch.arange(self.count, device=self.device)
        longest = torch.maximum(
            self.source_length[pick[0], pairs], self.target_length[pick[1], pairs]
        )
        batches = []
        shuffled = torch.randperm(self.count, device=self.device)
        for shorter, length in zip((0,) + LENGTHS, LENGTHS):
            fits = (longest[shuffled] > shorter) & (longest[shuffled] <= length)
            chosen, rows = shuffled[fits], tokens // length
            while 0 < len(chosen) % rows:
                chosen = torch.cat([chosen, chosen[: rows - len(chosen) % rows]])
            batches += [(length, part) for part in chosen.split(rows) if len(part)]
        for i in torch.randperm(len(batches)).tolist():
            length, part = batches[i]
            yield (
                length,
                self.source[pick[0][part], part, :length].long(),
                self.target[pick[1][part], part, :length].long(),
            )
