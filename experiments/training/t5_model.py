# SPDX-License-Identifier: Apache-2.0
"""T5 v1.0 (ReLU, tied scaled head) for training, under the names of Hugging Face.

It computes what transformers' T5ForConditionalGeneration computes, which make_reference.py checks,
but nothing in it waits for the device or depends on data, so that a whole training step can be
recorded as a CUDA graph. Models as small as ours spend ten times longer launching kernels than
running them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PAD, EOS, UNKNOWN = 0, 1, 2
MASKED = -1e9
EPSILON = 1e-6
BUCKETS, MAX_DISTANCE = 32, 128


@dataclass(frozen=True)
class T5Size:
    """The numbers that make one T5 differ from another, named as in config.json."""

    d_model: int
    d_kv: int
    num_heads: int
    d_ff: int
    num_layers: int
    num_decoder_layers: int


class RmsNorm(nn.Module):
    """Scales rows to a root mean square of one, in float32."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x.float(), self.weight.shape, self.weight, EPSILON)


def linear(inputs: int, outputs: int, std: float) -> nn.Linear:
    """A product without bias, its weights drawn with T5's standard deviation."""
    layer = nn.Linear(inputs, outputs, bias=False)
    nn.init.normal_(layer.weight, std=std)
    return layer


class Attention(nn.Module):
    """Multi-head attention without scaling; the first one of a stack owns the position bias."""

    def __init__(self, size: T5Size, dropout: float, with_bias: bool) -> None:
        super().__init__()
        width, inner = size.d_model, size.num_heads * size.d_kv
        self.heads, self.dropout = size.num_heads, dropout
        self.q = linear(width, inner, (width * size.d_kv) ** -0.5)
        self.k = linear(width, inner, width**-0.5)
        self.v = linear(width, inner, width**-0.5)
        self.o = linear(inner, width, inner**-0.5)
        if with_bias:
            self.relative_attention_bias = nn.Embedding(BUCKETS, size.num_heads)
            nn.init.normal_(self.relative_attention_bias.weight, std=width**-0.5)

    def split(self, x: Tensor) -> Tensor:
        """[rows, length, inner] to [rows, heads, length, d_kv]."""
        return x.view(x.size(0), x.size(1), self.heads, -1).transpose(1, 2)

    def forward(self, x: Tensor, memory: Tensor, bias: Tensor) -> Tensor:
        """`bias` holds position bias and mask: it broadcasts to [rows, heads, length, keys]."""
        query, key, value = self.split(self.q(x)), self.split(self.k(memory)), self.v(memory)
        scores = query @ key.transpose(-1, -2) + bias
        weights = F.dropout(scores.float().softmax(-1), self.dropout, self.training)
        mixed = weights.to(value.dtype) @ self.split(value)
        return self.o(mixed.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """Two products with a ReLU between them."""

    def __init__(self, size: T5Size, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.wi = linear(size.d_model, size.d_ff, size.d_model**-0.5)
        self.wo = linear(size.d_ff, size.d_model, size.d_ff**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.wo(F.dropout(F.relu(self.wi(x)), self.dropout, self.training))


class Sublayer(nn.Module):
    """Norm, one of the above, dropout and the residual sum."""

    def __init__(self, name: str, inner: nn.Module, width: int, dropout: float) -> None:
        super().__init__()
        self.name, self.dropout = name, dropout
        self.add_module(name, inner)
        self.layer_norm = RmsNorm(width)

    def forward(
        self, x: Tensor, bias: Tensor | None = None, memory: Tensor | None = None
    ) -> Tensor:
        normed, inner = self.layer_norm(x), getattr(self, self.name)
        if bias is None:
            out = inner(normed)
        else:
            out = inner(normed, normed if memory is None else memory, bias)
        return x + F.dropout(out, self.dropout, self.training)


class Block(nn.Module):
    """One layer of the encoder or, with attention to the encoder's output, of the decoder."""

    def __init__(self, size: T5Size, dropout: float, decoder: bool, first: bool) -> None:
        super().__init__()
        parts: list[tuple[str, nn.Module]] = [("SelfAttention", Attention(size, dropout, first))]
        if decoder:
            parts.append(("EncDecAttention", Attention(size, dropout, False)))
        parts.append(("DenseReluDense", FeedForward(size, dropout)))
        self.layer = nn.ModuleList(Sublayer(n, m, size.d_model, dropout) for n, m in parts)


class Stack(nn.Module):
    """Encoder or decoder: blocks and a last norm, between two dropouts."""

    def __init__(self, size: T5Size, dropout: float, decoder: bool) -> None:
        super().__init__()
        self.dropout, self.decoder = dropout, decoder
        depth = size.num_decoder_layers if decoder else size.num_layers
        self.block = nn.ModuleList(Block(size, dropout, decoder, i == 0) for i in range(depth))
        self.final_layer_norm = RmsNorm(size.d_model)

    def position_bias(self, length: int, device: torch.device) -> Tensor:
        """[1, heads, length, length], with the causal mask in the decoder."""
        places = torch.arange(length, device=device)
        distance = places[None, :] - places[:, None]  # key minus query
        table = self.block[0].layer[0].SelfAttention.relative_attention_bias
        bias = table(bucket(distance, both_ways=not self.decoder)).permute(2, 0, 1)[None].float()
        return bias.masked_fill(distance > 0, MASKED) if self.decoder else bias

    def forward(self, x: Tensor, mask: Tensor, memory: Tensor | None = None) -> Tensor:
        """`mask` [rows, 1, 1, source length] is added to the scores of source positions."""
        x = F.dropout(x, self.dropout, self.training)
        bias = self.position_bias(x.size(1), x.device)
        bias = bias if self.decoder else bias + mask
        for block in self.block:
            x = block.layer[0](x, bias)
            if self.decoder:
                x = block.layer[1](x, mask, memory)
            x = block.layer[-1](x)
        return F.dropout(self.final_layer_norm(x), self.dropout, self.training)


def bucket(distance: Tensor, both_ways: bool) -> Tensor:
    """The row of the position-bias table for key position minus query position."""
    count = BUCKETS // 2 if both_ways else BUCKETS
    start = (distance > 0).long() * count if both_ways else torch.zeros_like(distance)
    away = distance.abs() if both_ways else (-distance).clamp(min=0)
    exact = count // 2
    span = math.log(MAX_DISTANCE / exact)
    far = exact + ((away.clamp(min=1) / exact).log() / span * (count - exact)).long()
    return start + torch.where(away < exact, away, far.clamp(max=count - 1))


class T5(nn.Module):
    """The model; `state_dict()` has the tensors of a Hugging Face folder."""

    def __init__(self, size: T5Size, vocabulary: int, dropout: float) -> None:
        super().__init__()
        self.size, self.vocabulary = size, vocabulary
        self.shared = nn.Embedding(vocabulary, size.d_model)  # unit variance
        self.encoder = Stack(size, dropout, decoder=False)
        self.decoder = Stack(size, dropout, decoder=True)

    def encode(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """Encoder output [rows, length, d_model] and the mask that hides padding."""
        mask = torch.zeros(source.shape, device=source.device).masked_fill(source == PAD, MASKED)
        mask = mask[:, None, None, :]
        return self.encoder(self.shared(source), mask), mask

    def decode(self, fed: Tensor, encoded: Tensor, mask: Tensor) -> Tensor:
        """The decoder's output [rows, length, d_model] for the tokens `fed` to it."""
        return self.decoder(self.shared(fed), mask, encoded)

    def head(self, hidden: Tensor) -> Tensor:
        """Logits over the vocabulary."""
        return F.linear(hidden * self.size.d_model**-0.5, self.shared.weight)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Logits [rows, length, vocabulary] of each target token given those before it."""
        fed = F.pad(target[:, :-1], (1, 0), value=PAD)
        return self.head(self.decode(fed, *self.encode(source)))

    def config(self) -> dict[str, Any]:
        """The keys of config.json, independent of any library's version."""
        return {
            "architectures": ["T5ForConditionalGeneration"],
            "model_type": "t5",
            **vars(self.size),
            "vocab_size": self.vocabulary,
            "feed_forward_proj": "relu",
            "is_gated_act": False,
            "dense_act_fn": "relu",
            "relative_attention_num_buckets": BUCKETS,
            "relative_attention_max_distance": MAX_DISTANCE,
            "layer_norm_epsilon": EPSILON,
            "tie_word_embeddings": True,
            "is_encoder_decoder": True,
            "pad_token_id": PAD,
            "eos_token_id": EOS,
            "decoder_start_token_id": PAD,
            "torch_dtype": "float16",
        }


@torch.no_grad()
def greedy(
    model: T5, sources: list[list[int]], limit: int = 64, rows: int = 1024
) -> list[list[int]]:
    """The most likely continuation, token by token, of each source; without start and end.

    The whole prefix is computed again for each token: with many rows that is no slower here than
    keeping keys and values.
    """
    model.eval()
    device = model.shared.weight.device
    results: list[list[int]] = [[] for _ in sources]
    order = sorted(range(len(sources)), key=lambda i: len(sources[i]))
    for start in range(0, len(order), rows):
        chosen = order[start : start + rows]
        padded = nn.utils.rnn.pad_sequence(
            [torch.tensor(sources[i]) for i in chosen], batch_first=True, padding_value=PAD
        ).to(device)
        memory = model.encode(padded)
        fed = torch.full((len(chosen), 1), PAD, device=device)
        ended = torch.zeros(len(chosen), dtype=torch.bool, device=device)
        for _ in range(limit):
            best = model.head(model.decode(fed, *memory)[:, -1]).argmax(-1)
            fed = torch.cat([fed, best.masked_fill(ended, PAD)[:, None]], 1)
            ended = ended | (best == EOS)
            if ended.all():
                break
        for i, row in zip(chosen, fed[:, 1:].tolist()):
            results[i] = row[: row.index(EOS)] if EOS in row else row
    return results
