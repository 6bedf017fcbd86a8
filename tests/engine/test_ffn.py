"""Feed-forward networks equal their kernels called one by one, bit for bit, however gate, up and down are stored."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fathom import _native
from fathom._native import Matrix
from fathom.config import ModelConfig
from fathom.engine.runner import NativeModel
from fathom.model.program import build_program
from parity.cases import V2, Case

CASE = Case("wide", {**V2, "intermediate_size": 600, "moe_intermediate_size": 150})  # blocks of 128 rows and a rest


def stored(w: np.ndarray, bits: int) -> Matrix:
    raw = np.ascontiguousarray(w).reshape(-1).view(np.uint8)
    return Matrix.pack(raw, "F32", *w.shape, bits, 32) if bits else Matrix.dense(raw, "F32", *w.shape)


def weights(outer: int, inner: int) -> dict[str, Any]:
    arrays = {name: tensor.float().numpy() for name, tensor in CASE.weights.items()}
    bits = {"gate_proj": outer, "up_proj": outer, "down_proj": inner}
    return {
        name: w if w.ndim == 1 else stored(w, next((b for part, b in bits.items() if part in name), 0))
        for name, w in arrays.items()
    }


@pytest.mark.parametrize("tokens", [1, 200])
@pytest.mark.parametrize(("outer", "inner"), [(0, 0), (4, 4), (8, 8), (4, 0), (0, 4)])
def test_networks_equal_their_kernels(outer: int, inner: int, tokens: int) -> None:
    program, held = build_program(ModelConfig.from_dict(CASE.config)), weights(outer, inner)
    seen: dict[str, np.ndarray] = {}
    m = NativeModel(program, held, threads=3)
    ids = np.arange(tokens) * 7 % CASE.config["vocab_size"]
    m.forward(ids, m.new_cache(), logits="all", capture=lambda name, rows: seen.update({name: rows.copy()}))
    ops = [op for op in program.ops if op.kind == "mlp"]
    assert len(ops) >= 2  # a dense one, shared experts
    for op in ops:
        x = next(seen[o.name] for o in reversed(program.ops[: program.ops.index(op)]) if o.kind == "rms_norm")
        gate, up, down = (held[w.name] for w in op.weights)
        opened, carried = (w.linear(x) for w in (gate, up))
        h = _native.silu_mul(opened.ravel(), carried.ravel()).reshape(opened.shape)
        np.testing.assert_array_equal(seen[op.name], down.linear(h))
