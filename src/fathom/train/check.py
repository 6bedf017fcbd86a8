"""What a run looks at while it goes: bits per byte of held-out text, and answers to fixed prompts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .network import Network, uses_varlen

__all__ = ["answers", "bits_per_byte", "nats"]

_WINDOWS = 32768  # tokens of one forward pass


@torch.no_grad()
def bits_per_byte(
    network: Network, documents: Sequence[NDArray[np.integer]], text_bytes: int, length: int, controls: Sequence[int]
) -> float:
    """Held-out loss that compares across vocabularies: BOS, then ``length`` - 1 tokens that a window must predict.

    Windows do not overlap; ``controls`` (BOS first, EOS ...) are no text and are not counted.
    """
    windows = list(_windows(documents, length, controls))
    batch = max(1, _WINDOWS // length)
    total = sum(nats(network, np.stack(windows[at : at + batch])) for at in range(0, len(windows), batch))
    return float(total / math.log(2) / max(text_bytes, 1))


def _windows(
    documents: Sequence[NDArray[np.integer]], length: int, controls: Sequence[int]
) -> Iterator[NDArray[np.int64]]:
    """Rows (length,) of BOS and text, padded with -1."""
    for document in documents:
        text = document[~np.isin(document, controls)].astype(np.int64)
        for at in range(0, len(text), length - 1):
            window = np.full(length, -1, np.int64)
            part = text[at : at + length - 1]
            window[0], window[1 : 1 + len(part)] = controls[0], part
            yield window


@torch.no_grad()
def nats(network: Network, windows: NDArray[np.int64]) -> float:
    """Sum of -log p over all tokens of the windows (n, T) but the first of each; -1 is padding."""
    device = network.device
    rows = torch.from_numpy(windows).to(device)
    h = _hidden(network, rows.clamp(min=0))
    total = 0.0
    targets = torch.cat([rows[:, 1:], rows.new_full((len(rows), 1), -1)], dim=1).flatten()
    for at in range(0, len(targets), network.chunk):
        part = slice(at, at + network.chunk)
        logits = network.logits(h[part])
        total += torch.nn.functional.cross_entropy(logits, targets[part], ignore_index=-1, reduction="sum").item()
    return total


def _hidden(network: Network, rows: Tensor) -> Tensor:
    """(n, T) -> (n * T, D), every row a document of its own; never compiled: shapes differ."""
    count, length = rows.shape
    device = rows.device
    position = torch.arange(length, device=device, dtype=torch.int32).repeat(count)
    if uses_varlen(device, network.dtype):
        spans = torch.arange(0, count * length + 1, length, device=device, dtype=torch.int32)
    else:
        spans = torch.zeros(count * length, device=device, dtype=torch.int32)
    return network.hidden(rows.view(1, -1), position, spans, length)[0]


@torch.no_grad()
def answers(
    network: Network,
    prompts: Sequence[Sequence[int]],
    tokens: int,
    stop: Sequence[int],
    *,
    temperature: float,
    seed: int,
) -> list[list[int]]:
    """Continues all prompts together, without a cache; nucleus 0.9, or the likeliest token at temperature 0."""
    device = network.device
    generator = torch.Generator(device).manual_seed(seed)
    width = 64 * math.ceil((max(map(len, prompts)) + tokens) / 64)
    ids = torch.zeros(len(prompts), width, dtype=torch.int64, device=device)
    for row, prompt in zip(ids, prompts, strict=True):
        row[: len(prompt)] = torch.tensor(prompt, device=device)
    ends = torch.tensor([len(prompt) for prompt in prompts], device=device)
    every = torch.arange(len(prompts), device=device)
    done = torch.zeros(len(prompts), dtype=torch.bool, device=device)
    stops = torch.tensor(list(stop), device=device)
    for _ in range(tokens):
        h = _hidden(network, ids).view(len(prompts), width, -1)
        token = _choose(network.logits(h[every, ends - 1]), temperature, generator)
        done |= torch.isin(token, stops)
        ids[every, ends] = torch.where(done, 0, token)
        ends = torch.where(done, ends, ends + 1)
    return [row[len(prompt) : end].tolist() for row, prompt, end in zip(ids, prompts, ends.tolist(), strict=True)]


def _choose(logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    if temperature == 0:
        return logits.argmax(-1)
    sorted_, ids = (logits / temperature).softmax(-1).sort(-1, descending=True)
    sorted_ = sorted_ * (sorted_.cumsum(-1) - sorted_ < 0.9)
    return ids.gather(-1, sorted_.multinomial(1, generator=generator))[:, 0]
