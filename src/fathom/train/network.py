"""The program as training needs it: packed rows of documents masked from one another, and a loss without stored logits.

All rows of a micro-batch lie behind each other as one sequence of N = rows * T tokens, so the ops of
``fathom.reference`` run unchanged; what differs stands here: attention within documents, grouped products for the
experts, the balance loss of DeepSeek-V2 (paper 2.2.3, sequence-wise: a row is a sequence), casts from float32 masters.
The ops of a layer are one function of (x, weights), so torch.compile traces it once for all layers of one shape.

Shapes: N tokens, T tokens a row, D hidden, H heads, E experts, K experts a token, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..model.program import Op, Program
from ..reference import Model
from ..reference.ops import OPS, Call, LatentCache, Step
from . import cpu

try:
    from torch.nn.attention.varlen import varlen_attn
except ImportError:  # before torch 2.10
    varlen_attn = None

__all__ = ["Micro", "Network", "uses_varlen"]

_grouped_mm: Callable[..., Tensor] = getattr(F, "grouped_mm", None) or torch._grouped_mm  # public since torch 2.13
_NO_CACHE = LatentCache()
_ALIGNED = 16  # bytes: rows of grouped products must be multiples of this (pytorch#172440)


def uses_varlen(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether attention takes document ends (flash attention on a GPU) and not a mask."""
    return varlen_attn is not None and device.type == "cuda" and dtype in (torch.bfloat16, torch.float16)


@dataclass(frozen=True)
class Micro:
    """A micro-batch on its device; N = rows * length."""

    tokens: Tensor  # (1, N) int64
    targets: Tensor  # (N,) int64
    weight: Tensor  # (N,) float32: share of each target in the step's loss, 0 where it is none
    position: Tensor  # (N,) int32, from the start of the document
    spans: Tensor  # (documents + 1,) int32 cumulative ends, padded with N; or (N,) int32 document of each token
    length: int  # T
    share: float  # of the step's rows


@dataclass(frozen=True)
class Rows(Step):
    """A pass over packed rows: no cache, attention within documents, the router is watched."""

    spans: Tensor  # int32 ends, a bool mask (rows, 1, T, T), or on a CPU what is added to scores (rows, T, T)
    length: int
    balance: list[Tensor] = field(default_factory=list)  # of the block: loss (), load (E,)

    def latent(self, _layer: int, rows: Tensor) -> Tensor:
        return rows

    def attend(self, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        """q, k (1, N, H, d), v (1, N, H, e) -> (1, N, H, e)."""
        if self.spans.is_floating_point():
            return cpu.attend(q, k, v, self.spans, scale)
        wide, values = max(q.shape[-1], v.shape[-1]), v.shape[-1]
        # Equal head sizes keep the flash kernels: on a CPU 3x at T = 512, d = 64, e = 32.
        q, k, v = (F.pad(x, (0, wide - x.shape[-1])) if x.shape[-1] < wide else x for x in (q, k, v))
        if self.spans.dtype == torch.int32:
            if not math.isclose(scale * math.sqrt(wide), 1.0, rel_tol=1e-6):
                q = q * (scale * math.sqrt(wide))
            ends, most = self.spans, self.length
            out = varlen_attn(q[0], k[0], v[0].contiguous(), ends, ends, most, most, window_size=(-1, 0))[None]
        else:
            heads = q.shape[2]
            q, k, v = (x.view(-1, self.length, heads, wide).transpose(1, 2) for x in (q, k, v))
            out = F.scaled_dot_product_attention(q, k, v, attn_mask=self.spans, scale=scale)
            out = out.transpose(1, 2).reshape(1, -1, heads, wide)
        return out[..., :values]

    def routed(self, scores: Tensor, ids: Tensor) -> None:
        """L = mean over rows of sum_i f_i P_i, f_i = E / (K T) * choices of i, P_i = mean score of i."""
        experts, top_k = scores.shape[-1], ids.shape[-1]
        share = scores / scores.sum(-1, keepdim=True)  # softmax scores sum to 1 already, sigmoid scores don't
        chosen = F.one_hot(ids, experts).sum(-2).view(-1, self.length, experts).float()
        often = chosen.sum(1) * (experts / (top_k * self.length))  # (rows, E), 1 where balanced
        likely = share.view(-1, self.length, experts).mean(1)
        self.balance.extend([(often * likely).sum(-1).mean(), often.mean(0)])


class _Dispatch(torch.autograd.Function):
    """rows (N, D) -> (N * K, D) in the order of experts; the gradient is a gather too, never an atomic add."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, order: Tensor, inverse: Tensor, top_k: int) -> Tensor:
        ctx.save_for_backward(inverse)
        ctx.top_k = top_k
        return rows[order // top_k]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        (inverse,) = ctx.saved_tensors
        return grad[inverse].view(-1, ctx.top_k, grad.shape[-1]).sum(1), None, None, None


class _Collect(torch.autograd.Function):
    """(N * K, D) from the order of experts back to the order of tokens."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(order)
        return y[inverse]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (order,) = ctx.saved_tensors
        return grad[order], None, None


def experts(call: Call, x: Tensor, route: Tensor, gate: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """The op ``experts`` as three grouped products; its plain twin is ``fathom.reference.ops.experts``."""
    if any(w.shape[-1] * w.element_size() % _ALIGNED for w in (gate, down)):
        return OPS["experts"](call, x, route, gate, up, down)
    rows = x.flatten(0, -2)
    ids, weight = route.flatten(0, -2).chunk(2, dim=-1)  # (N, K) each
    ids, top_k = ids.long(), ids.shape[1]
    order = ids.flatten().to(torch.int16).argsort(stable=True)  # two radix passes; at most 4096 experts
    inverse = torch.empty_like(order).scatter_(0, order, torch.arange(order.shape[0], device=x.device))
    ends = F.one_hot(ids, gate.shape[0]).sum((0, 1)).cumsum(0).int()  # the last is N * K: no row is left undefined
    rows = _Dispatch.apply(rows, order, inverse, top_k)
    h = F.silu(_grouped_mm(rows, gate.mT, offs=ends)) * _grouped_mm(rows, up.mT, offs=ends)
    y = _Collect.apply(_grouped_mm(h, down.mT, offs=ends), order, inverse).view(-1, top_k, x.shape[-1])
    return (y.float() * weight[..., None]).sum(1).to(x.dtype).view_as(x)


_OPS = OPS | {"experts": experts}
_Functions = Mapping[str, Callable[..., Tensor]]  # of each kind of op


class _Block:
    """Consecutive ops from one buffer to one buffer as a pure function of tensors."""

    def __init__(self, ops: Sequence[Op], widths: dict[str, int], dtype: torch.dtype, functions: _Functions) -> None:
        self.ops, self.widths, self.dtype, self.functions = tuple(ops), widths, dtype, functions

    def __call__(
        self, x: Tensor, weights: list[list[Tensor]], cos: Tensor, sin: Tensor, spans: Tensor, length: int
    ) -> tuple[Tensor, list[Tensor]]:
        """x (1, N, D) -> (1, N, D) and, of a mixture layer, balance loss () and load (E,), 1 where balanced."""
        rows = Rows(x, cos, sin, _NO_CACHE, "expanded", spans, length, [])
        buffers = {"x": x}
        for op, masters in zip(self.ops, weights, strict=True):
            inputs = [self._read(buffers, v.buffer, v.offset, v.width) for v in op.inputs]
            cast = masters if op.kind == "router" else [w.to(self.dtype) for w in masters]
            value = self.functions[op.kind](Call(rows, op.attrs, op.layer), *inputs, *cast)
            out = op.output
            if out.width != self.widths[out.buffer]:
                row = buffers[out.buffer]
                value = torch.cat([row[..., : out.offset], value, row[..., out.offset + out.width :]], dim=-1)
            buffers[out.buffer] = value
        return buffers["x"], rows.balance

    def _read(self, buffers: dict[str, Tensor], name: str, offset: int, width: int) -> Tensor:
        row = buffers[name]
        return row if width == self.widths[name] else row[..., offset : offset + width]


def _head(h: Tensor, table: Tensor, targets: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A chunk of the loss with its gradients: sum w (logsumexp - x_target), d/dh (n, D), d/dtable (V, D)."""
    logits = F.linear(h, table).float()
    lse = logits.logsumexp(-1, keepdim=True)
    loss = ((lse - logits.gather(-1, targets[:, None]))[:, 0] * weight).sum()
    hit = torch.arange(table.shape[0], device=h.device) == targets[:, None]
    grad = (((logits - lse).exp() - hit.to(logits.dtype)) * weight[:, None]).to(h.dtype)
    return loss, grad @ table, grad.mT @ h


class _HeadLoss(torch.autograd.Function):
    """Cross-entropy of a linear head by chunks of tokens: logits of N x V never exist, gradients come at once."""

    @staticmethod
    def forward(
        ctx: Any, h: Tensor, table: Tensor, targets: Tensor, weight: Tensor, chunk: int, head: Callable[..., Any]
    ) -> Tensor:
        cast = table.to(h.dtype)
        loss, dh, dtable = h.new_zeros((), dtype=torch.float32), torch.empty_like(h), torch.zeros_like(table)
        for start in range(0, h.shape[0], chunk):
            part = slice(start, start + chunk)
            value, dh[part], step = head(h[part], cast, targets[part], weight[part])
            loss += value
            dtable += step
        ctx.save_for_backward(dh, dtable)
        return loss

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        dh, dtable = ctx.saved_tensors
        return dh.mul_(grad), dtable.mul_(grad), None, None, None, None


class Network:
    """A model's forward pass and loss over micro-batches.

    ``compiled`` uses torch.compile, one static shape a phase; ``chunk`` tokens of logits exist at a time. Plain on a
    CPU, the ops of ``fathom.train.cpu`` are faster than compiled ones.
    """

    def __init__(self, model: Model, dtype: torch.dtype, *, compiled: bool = False, chunk: int = 1024) -> None:
        self.model, self.dtype, self.chunk = model, dtype, chunk
        if compiled:  # one code object serves every kind of layer and phase: above 8 versions it falls back silently
            torch._dynamo.config.recompile_limit = 64
        program: Program = model.program
        self._table = model.weights(program.ops[0])[0]
        self._lean = self.device.type == "cpu" and not compiled
        self._functions = cpu.CPU_OPS if self._lean else _OPS
        self._blocks: list[tuple[Callable[..., Any], list[list[Tensor]]]] = []
        seen: dict[object, Callable[..., Any]] = {}
        layers = sorted({op.layer for op in program.ops if op.layer is not None})
        for layer in layers:
            ops = [op for op in program.ops if op.layer == layer]
            key = tuple(op.signature + tuple(sorted(op.attrs.items(), key=str)) for op in ops)
            if key not in seen:
                block: Callable[..., Any] = _Block(ops, program.buffers, dtype, self._functions)
                seen[key] = torch.compile(block, dynamic=False) if compiled else block
            self._blocks.append((seen[key], [model.weights(op) for op in ops]))
        self._norm = next(op for op in program.ops if op.kind == "rms_norm" and op.layer is None)
        self._head_weight = model.weights(program.ops[-1])[0]
        head = cpu.head if self._lean else _head
        self._head = torch.compile(head, dynamic=False) if compiled else head
        rope = model.config.rope
        self._factor = rope.cos_sin_factor
        self._frequencies = torch.tensor(rope.inv_freq(model.config.qk_rope_head_dim), device=self._table.device)

    def hidden(
        self, tokens: Tensor, position: Tensor, spans: Tensor, length: int
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """tokens (1, N) -> the normed rows (N, D) before the head; balance loss summed over layers; loads (E,)."""
        angles = position[:, None].float() * self._frequencies
        cos, sin = angles.cos() * self._factor, angles.sin() * self._factor  # (N, rope / 2)
        if not uses_varlen(tokens.device, self.dtype):
            spans = _mask(spans, length)
        if self._lean:
            spans = torch.zeros(spans.shape, dtype=self.dtype).masked_fill_(~spans, -math.inf)[:, 0]
        x = F.embedding(tokens, self._table).to(self.dtype)
        balance, loads = x.new_zeros((), dtype=torch.float32), []
        for block, weights in self._blocks:
            x, seen = block(x, weights, cos, sin, spans, length)
            if seen:
                balance = balance + seen[0]
                loads.append(seen[1].detach())
        norm = [w.to(self.dtype) for w in self.model.weights(self._norm)]
        x = self._functions["rms_norm"](
            Call(Rows(x, cos, sin, _NO_CACHE, "expanded", spans, length), self._norm.attrs, None), x, *norm
        )
        return x[0], balance, loads

    def loss(self, micro: Micro) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Weighted cross-entropy (), balance loss () and loads of a micro-batch."""
        h, balance, loads = self.hidden(micro.tokens, micro.position, micro.spans, micro.length)
        targets, weight = micro.targets, micro.weight
        if self._lean:  # where shapes may differ, the head is for those tokens that are learnt
            learnt = weight.nonzero()[:, 0]
            h, targets, weight = h.index_select(0, learnt), targets[learnt], weight[learnt]
        loss = _HeadLoss.apply(h, self._head_weight, targets, weight, self.chunk, self._head)
        return loss, balance, loads

    @property
    def device(self) -> torch.device:
        return self._table.device

    def logits(self, h: Tensor) -> Tensor:
        """(n, D) -> (n, V), float32."""
        return F.linear(h, self._head_weight.to(h.dtype)).float()


def _mask(documents: Tensor, length: int) -> Tensor:
    """documents (N,) -> bool (rows, 1, T, T): the same document, not later."""
    rows = documents.view(-1, length)
    same = rows[:, :, None] == rows[:, None]
    return (same & torch.ones(length, length, dtype=torch.bool, device=rows.device).tril())[:, None]
