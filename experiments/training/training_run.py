# SPDX-License-Identifier: Apache-2.0
"""Parts of a training run: wall-clock learning-rate schedule, optimizer step, export."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

SHARD_BYTES = 15_000_000

DtypeRule = torch.dtype | Callable[[str], torch.dtype]


class Clock:
    """Learning-rate schedule over wall-clock time: linear warm-up, then cosine to a tenth."""

    def __init__(self, minutes: float, peak: float, warm: float = 0.03) -> None:
        self.start = time.time()
        self.seconds = minutes * 60
        self.peak = peak
        self.warm = warm

    def done(self) -> bool:
        """Whether the time is used up."""
        return time.time() - self.start >= self.seconds

    def fraction(self) -> float:
        """Share of the time that has passed, at most 1."""
        return min(1.0, (time.time() - self.start) / self.seconds)

    def rate(self) -> float:
        """The learning rate now."""
        passed = self.fraction()
        if passed < self.warm:
            return self.peak * max(passed / self.warm, 1e-3)
        cosine = math.cos(math.pi * (passed - self.warm) / (1 - self.warm))
        return self.peak * (0.1 + 0.9 * 0.5 * (1 + cosine))


def adamw(model: torch.nn.Module, weight_decay: float) -> torch.optim.AdamW:
    """AdamW with weight decay on matrices only."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=1e-4, betas=(0.9, 0.98), fused=True)


def step(
    optimizer: torch.optim.Optimizer,
    loss: torch.Tensor,
    model: torch.nn.Module,
    clock: Clock,
    clip: float = 1.0,
) -> None:
    """One optimizer step at the clock's learning rate, gradients clipped to norm `clip`."""
    for group in optimizer.param_groups:
        group["lr"] = clock.rate()
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()


def tensor_bytes(tensor: torch.Tensor) -> int:
    """Bytes of the tensor's elements."""
    return tensor.numel() * tensor.element_size()


def split_into_shards(
    state: dict[str, torch.Tensor], dtype: DtypeRule
) -> list[dict[str, torch.Tensor]]:
    """Converts the floating-point tensors to `dtype` and cuts the list every SHARD_BYTES."""
    kind = (lambda _: dtype) if isinstance(dtype, torch.dtype) else dtype
    shards: list[dict[str, torch.Tensor]] = []
    current: dict[str, torch.Tensor] = {}
    size = 0
    for name, tensor in state.items():
        tensor = tensor.detach().to("cpu")
        if tensor.is_floating_point():
            tensor = tensor.to(kind(name))
        if current and size + tensor_bytes(tensor) > SHARD_BYTES:
            shards.append(current)
            current, size = {}, 0
        current[name] = tensor.contiguous().clone()
        size += tensor_bytes(tensor)
    shards.append(current)
    return shards


def write_json(value: Any, path: Path) -> None:
    """Writes `value` as indented JSON."""
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def export(
    state: dict[str, torch.Tensor],
    config: dict[str, Any],
    out: Path,
    dtype: DtypeRule = torch.float16,
    training: dict[str, Any] | None = None,
) -> None:
    """Writes a Hugging Face style folder: safetensors (sharded when large) and config.json.

    `dtype` may be a function of the tensor's name. `training`, when given, goes to training.json.
    """
    out.mkdir(parents=True, exist_ok=True)
    shards = split_into_shards(state, dtype)
    names = ["model.safetensors"]
    if len(shards) > 1:
        count = len(shards)
        names = [f"model-{i:05d}-of-{count:05d}.safetensors" for i in range(1, count + 1)]
    for name, shard in zip(names, shards):
        save_file(shard, out / name, metadata={"format": "pt"})
    if len(shards) > 1:
        total = sum(tensor_bytes(t) for shard in shards for t in shard.values())
        weight_map = {key: name for name, shard in zip(names, shards) for key in shard}
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        write_json(index, out / "model.safetensors.index.json")
    write_json(config, out / "config.json")
    if training:
        write_json(training, out / "training.json")
