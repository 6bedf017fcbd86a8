"""Ops of the training pass as a CPU likes them: few passes over memory, in pieces that stay in a core's cache.

Products run at the speed of the machine there; what costs is PyTorch's backward passes of attention, norms and weighted
sums. On a Zen 4 core in bfloat16, N = 4096 (forward and backward): attention 211 -> 90 ms a layer, the head's loss
1680 -> 960 ms, sums over experts 42 -> 8 ms.

Shapes: N tokens, T tokens a row, D hidden, H heads, E experts, K experts a token, I width of an expert, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..reference.ops import OPS, Call

__all__ = ["CPU_OPS", "attend", "head"]

_QUERIES = 128  # of a block: its scores over 512 keys and 8 heads take 1 MiB in bfloat16
_TINY = torch.finfo(torch.float32).tiny
_ROWS = 64  # of logits at a time: 3 MiB in float32 at V = 12288


def _blocks(length: int) -> Iterator[tuple[int, int]]:
    return ((start, min(start + _QUERIES, length)) for start in range(0, length, _QUERIES))


class _Attend(torch.autograd.Function):
    """Row by row, in blocks of queries that see keys up to their own end only; the probabilities are kept."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, bias: Tensor, scale: float) -> Tensor:
        out, kept = torch.empty_like(v), []
        for row, (queries, keys, values) in enumerate(zip(q, k, v, strict=True)):
            for start, end in _blocks(q.shape[2]):
                scores = torch.baddbmm(
                    bias[row, None, start:end, :end], queries[:, start:end], keys[:, :end].mT, alpha=scale
                )
                kept.append(scores.softmax(-1))
                out[row, :, start:end] = kept[-1] @ values[:, :end]
        ctx.save_for_backward(q, k, v, *kept)
        ctx.scale = scale
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, *kept = ctx.saved_tensors
        dq, dk, dv = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        parts = iter(kept)
        for row in range(len(q)):
            for start, end in _blocks(q.shape[2]):
                p, g = next(parts), grad[row, :, start:end]
                dv[row, :, :end].baddbmm_(p.mT, g)
                ds = torch._softmax_backward_data(g @ v[row, :, :end].mT, p, -1, p.dtype)
                dq[row, :, start:end] = (ds @ k[row, :, :end]).mul_(ctx.scale)
                dk[row, :, :end].baddbmm_(ds.mT, q[row, :, start:end], alpha=ctx.scale)
        return dq, dk, dv, None, None


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor, scale: float) -> Tensor:
    """q, k (1, N, H, d), v (1, N, H, e), bias (rows, T, T), 0 or -inf -> (1, N, H, e)."""
    length = bias.shape[-1]
    rows = (x[0].unflatten(0, (-1, length)).transpose(1, 2).contiguous() for x in (q, k, v))  # (rows, H, T, d)
    return _Attend.apply(*rows, bias, scale).transpose(1, 2).flatten(0, 1)[None]


class _RmsNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        y = x.float()
        rate = y.square().mean(-1, keepdim=True).add_(eps).rsqrt_()
        ctx.save_for_backward(x, weight, rate)
        return weight * (y * rate).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        x, weight, rate = ctx.saved_tensors
        y = x * rate  # float32
        each = y * grad
        shared = (each @ weight.float()[:, None]).div_(x.shape[-1])
        dx = (grad * weight).float().addcmul_(y, shared, value=-1).mul_(rate)
        return dx.to(x.dtype), each.flatten(0, -2).sum(0).to(weight.dtype), None


def rms_norm(call: Call, x: Tensor, weight: Tensor) -> Tensor:
    return _RmsNorm.apply(x, weight, call.attrs["eps"])


class _Rope(torch.autograd.Function):
    """Pairs (i, i + 1) as complex numbers, turned; the gradient turns back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, turns: Tensor, heads: int, offset: int, dim: int) -> Tensor:
        ctx.save_for_backward(turns)
        ctx.columns = heads, offset, dim
        return _turned(x, turns, *ctx.columns)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return _turned(grad, ctx.saved_tensors[0].conj(), *ctx.columns), None, None, None, None


def _turned(x: Tensor, turns: Tensor, heads: int, offset: int, dim: int) -> Tensor:
    """x (1, N, heads * stride), turns (N, dim / 2) -> x with columns [offset, + dim) of each head rotated."""
    x = x.clone(memory_format=torch.contiguous_format)
    part = x.unflatten(-1, (heads, -1))[..., offset : offset + dim]
    pairs = torch.view_as_complex(part.float().unflatten(-1, (-1, 2)).contiguous())
    part.copy_(torch.view_as_real(pairs * turns[:, None]).flatten(-2))
    return x


def rope(call: Call, x: Tensor) -> Tensor:
    a, step = call.attrs, call.step
    if not a["interleave"]:
        return OPS["rope"](call, x)
    return _Rope.apply(x, torch.complex(step.cos, step.sin), a["heads"], a["offset"], a["dim"])


class _Experts(torch.autograd.Function):
    """One expert after the other on its own rows, which lie together; weights enter before the last product."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, ids: Tensor, weight: Tensor, gate: Tensor, up: Tensor, down: Tensor) -> Tensor:
        order = ids.flatten().to(torch.int16).argsort(stable=True)  # two radix passes; at most 4096 experts
        slots = torch.empty_like(order).scatter_(0, order, torch.arange(order.shape[0])).view_as(ids)
        ends = ids.flatten().bincount(minlength=len(gate)).cumsum(0).tolist()
        token, scale = order // ids.shape[1], weight.flatten()[order, None].to(x.dtype)
        a, b, y = (x.new_empty(len(order), width) for width in (gate.shape[1], up.shape[1], down.shape[1]))
        for expert, part in _parts(ends):
            rows = x.index_select(0, token[part])
            torch.mm(rows, gate[expert].T, out=a[part])
            torch.mm(rows, up[expert].T, out=b[part])
            torch.mm(F.silu(a[part]).mul_(b[part]).mul_(scale[part]), down[expert].T, out=y[part])
        ctx.save_for_backward(x, a, b, scale, token, slots, gate, up, down)
        ctx.ends = ends
        return F.embedding_bag(slots, y, mode="sum")

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, a, b, scale, token, slots, gate, up, down = ctx.saved_tensors
        drows = x.new_empty(len(token), x.shape[1])
        dscale = torch.empty(len(token), dtype=torch.float32)
        dgate, dup, ddown = (torch.zeros_like(w) for w in (gate, up, down))
        for expert, part in _parts(ctx.ends):
            rows, dy = x.index_select(0, token[part]), grad.index_select(0, token[part])
            hidden = F.silu(a[part])
            inner = hidden * b[part]
            dinner = dy @ down[expert]
            dscale[part] = (dinner * inner).sum(-1, dtype=torch.float32)
            torch.mm(dy.T, inner.mul_(scale[part]), out=ddown[expert])
            dinner.mul_(scale[part])
            db = hidden.mul_(dinner)
            da = torch.ops.aten.silu_backward(dinner.mul_(b[part]), a[part])
            torch.mm(da.T, rows, out=dgate[expert])
            torch.mm(db.T, rows, out=dup[expert])
            torch.addmm(torch.mm(da, gate[expert]), db, up[expert], out=drows[part])
        return F.embedding_bag(slots, drows, mode="sum"), None, dscale[slots], dgate, dup, ddown


def _parts(ends: list[int]) -> Iterator[tuple[int, slice]]:
    """The experts that have rows, and which."""
    return ((e, slice(start, end)) for e, (start, end) in enumerate(zip([0, *ends], ends, strict=False)) if start < end)


def experts(_: Call, x: Tensor, route: Tensor, gate: Tensor, up: Tensor, down: Tensor) -> Tensor:
    ids, weight = route.flatten(0, -2).chunk(2, dim=-1)  # (N, K) each
    return _Experts.apply(x.flatten(0, -2), ids.detach().long(), weight, gate, up, down).view_as(x)


def head(h: Tensor, table: Tensor, targets: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A chunk of the loss, -sum w log p_target (87 nats a token at most), with d/dh (n, D) and d/dtable (V, D)."""
    logits, loss = h @ table.mT, weight.new_zeros(())
    for x, target, w in zip(*(t.split(_ROWS) for t in (logits, targets, weight)), strict=True):
        p = x.softmax(-1, dtype=torch.float32)
        loss -= p.gather(-1, target[:, None])[:, 0].clamp_min_(_TINY).log_() @ w
        p[torch.arange(len(p)), target] -= 1
        torch.mul(p, w[:, None], out=p)
        x.copy_(p)  # logits become their gradient
    return loss, logits @ table, logits.mT @ h


CPU_OPS = OPS | {"rms_norm": rms_norm, "rope": rope, "experts": experts}
