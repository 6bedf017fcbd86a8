"""What each op of a program does, in PyTorch: one function a kind, differentiable, for float32 and bfloat16.

Precision follows the official code where bfloat16 makes a difference: norms, rotary rotation, router and attention
softmax in float32, rounded once to the type of the activations; the weighted sum over experts in float32; logits
float32. In float32 nothing of this rounds.

Shapes: B batch, T new tokens, S cached tokens with the new ones, D hidden, H heads, R kv_lora_rank, E experts,
K experts a token.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from ..model.program import Op

__all__ = ["OPS", "LatentCache", "Step"]


@dataclass
class LatentCache:
    """Rows [c_kv | k_pe] of every past token, a layer: (B, S, R + rope)."""

    layers: dict[int, Tensor] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        return next(iter(self.layers.values())).shape[1] if self.layers else 0

    def append(self, layer: int, rows: Tensor) -> Tensor:
        past = self.layers.get(layer)
        self.layers[layer] = rows if past is None else torch.cat([past, rows], dim=1)
        return self.layers[layer]

    def truncate(self, tokens: int) -> None:
        self.layers = {layer: rows[:, :tokens] for layer, rows in self.layers.items()}


@dataclass(frozen=True)
class Step:
    """What ops share within one forward pass."""

    tokens: Tensor  # (B, T)
    cos: Tensor  # (T, rope / 2), float32, of the positions of the new tokens
    sin: Tensor
    cache: LatentCache
    form: str  # "absorbed" | "expanded"


def embedding(op: Op, inputs: list[Tensor], weights: list[Tensor], step: Step) -> Tensor:
    return F.embedding(step.tokens, weights[0])


def rms_norm(op: Op, inputs: list[Tensor], weights: list[Tensor], step: Step) -> Tensor:
    x = inputs[0].float()
    x = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + float(op.attrs["eps"]))
    return weights[0] * x.to(inputs[0].dtype)  # cast before the product, as the official code does


def linear(op: Op, inputs: list[Tensor], weights: list[Tensor], step: Step) -> Tensor:
    return F.linear(inputs[0], *weights)


def rope(op: Op, inputs: list[Tensor], weights: list[Tensor], step: Step) -> Tensor:
    start, dim = int(op.attrs["offset"]), int(op.attrs["dim"])
    heads = inputs[0].unflatten(-1, (int(op.attrs["heads"]), int(op.attrs["stride"])))
    before, turned, after = heads.split([start, dim, heads.shape[-1] - start - dim], dim=-1)
    pairs = (dim // 2, 2) if op.attrs["interleave"] else (2, dim // 2)  # (i, i + 1) or (i, i + dim / 2)
    axis = -1 if op.attrs["interleave"] else -2
    a, b = turned.float().unflatten(-1, pairs).unbind(axis)  # (B, T, heads, dim / 2)
    cos, sin = step.cos[:, None], step.sin[:, None]
    turned = torch.stack([a * cos - b * sin, a * sin + b * cos], axis).flatten(-2).to(heads.dtype)
    return torch.cat([before, turned, after], dim=-1).flatten(-2)


def latent_attention(op: Op, inputs: list[Tensor], weights: list[Tensor], step: Step) -> Tensor:
    heads, nope, v, rank = (int(op.attrs[name]) for name in ("heads", "nope", "v", "rank"))
    q = inputs[0].unflatten(-1, (heads, -1))  # (B, T, H, nope + rope)
    kv = step.cache.append(int(op.layer or 0), inputs[1])  # (B, S, R + rope)
    c_kv, k_pe = kv[..., None, :rank], kv[..., None, rank:]  # one "head" for all
    kv_b = weights[0].unflatten(0, (heads, nope + v))  # (H, nope + v, R): a head's W_UK rows, then its W_UV rows
    if step.form == "absorbed":  # queries move into the latent space; keys are the cache itself
        q = torch.cat([torch.einsum("bthd,hdr->bthr", q[..., :nope], kv_b[:, :nope]), q[..., nope:]], dim=-1)
        latent = _attend(q, kv[..., None, :].expand(-1, -1, heads, -1), c_kv.expand(-1, -1, heads, -1), op)
        return torch.einsum("bthr,hvr->bthv", latent, kv_b[:, nope:]).flatten(-2)
    k_nope, values = F.linear(c_kv.squeeze(-2), weights[0]).unflatten(-1, (heads, nope + v)).split([nope, v], dim=-1)
    keys = torch.cat([k_nope, k_pe.expand(-1, -1, heads, -1)], dim=-1)
    return _attend(q, keys, values, op).flatten(-2)


def _attend(q: Tensor, k: Tensor, v: Tensor, op: Op) -> Tensor:
    """q (B, T, H, d), k (B, S, H, d), v (B, S, H, e) -> (B, T, H, e); the T queries are the last of the S positions."""
    new, total = q.shape[1], k.shape[1]
    mask = None
    if 1 < new < total:
        mask = torch.ones(new, total, dtype=torch.bool, device=q.device).tril(total - new)
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    out = F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, is_causal=new == total, scale=float(op.attrs["scale"] or 0)
    )
    return out.transpose(1, 2)


def mlp(op: Op, inputs: list[Tensor], weights: list[Tensor], step: Step) -> Tensor:
    return _gated(inputs[0], *weights)


def _gated(x: Tensor, gate: Tensor, up: Tensor, down: Tensor) -> Tensor:
    return F.linear(F.silu(F.linear(x, gate)) * F.linear(x, up), down)


def router(op: Op, inputs: list[Tensor], weights: list[Tensor], step: Step) -> Tensor:
    with torch.autocast(inputs[0].device.type, enabled=False):
        logits = F.linear(inputs[0].float(), weights[0].float())  # (B, T, E)
    scores = logits.sigmoid() if op.attrs["scoring"] == "sigmoid" else logits.softmax(-1)
    choice = scores.detach() + weights[1].float() if op.attrs["method"] == "noaux_tc" else scores.detach()
    if op.attrs["method"] != "greedy":
        choice = _best_groups(choice, op)
    ids = _top(choice, int(op.attrs["top_k"] or 0))  # (B, T, K)
    gate = scores.gather(-1, ids)  # never the biased scores
    if op.attrs["norm_topk_prob"]:
        gate = gate / (gate.sum(-1, keepdim=True) + 1e-20)
    return torch.cat([ids.float(), gate * float(op.attrs["scale"] or 0)], dim=-1)


def _best_groups(choice: Tensor, op: Op) -> Tensor:
    """Experts outside the topk_group best of n_group groups become -inf."""
    grouped = choice.unflatten(-1, (int(op.attrs["n_group"] or 1), -1))  # (B, T, groups, E / groups)
    best = 2 if op.attrs["method"] == "noaux_tc" else 1  # a group is worth its two best, or its best
    kept = _top(grouped.topk(best, dim=-1).values.sum(-1), int(op.attrs["topk_group"] or 1))
    dropped = torch.ones_like(grouped[..., 0], dtype=torch.bool).scatter(-1, kept, False)
    return grouped.masked_fill(dropped[..., None], float("-inf")).flatten(-2)


def _top(x: Tensor, k: int) -> Tensor:
    """Indices of the k largest, descending; of equals the lower index first, which topk does not promise."""
    return x.sort(dim=-1, descending=True, stable=True).indices[..., :k]


def experts(op: Op, inputs: list[Tensor], weights: list[Tensor], step: Step) -> Tensor:
    """weights: gate (E, I, D), up (E, I, D), down (E, D, I). Unbound, so that one backward pass stacks gradients once."""
    x = inputs[0].flatten(0, 1)  # (B * T, D)
    ids, gate = inputs[1].flatten(0, 1).chunk(2, dim=-1)  # (B * T, K) each
    matrices = [w.unbind() for w in weights]
    out = torch.zeros_like(x, dtype=torch.float32)
    for expert in ids.unique().long().tolist():
        token, slot = (ids == expert).nonzero(as_tuple=True)
        y = _gated(x[token], *(m[expert] for m in matrices))
        out = out.index_add(0, token, y.float() * gate[token, slot, None])
    return out.to(x.dtype).view_as(inputs[0])


def add(op: Op, inputs: list[Tensor], weights: list[Tensor], step: Step) -> Tensor:
    return inputs[0] + inputs[1]


def head(op: Op, inputs: list[Tensor], weights: list[Tensor], step: Step) -> Tensor:
    return F.linear(inputs[0], weights[0]).float()


OPS: dict[str, Callable[[Op, list[Tensor], list[Tensor], Step], Tensor]] = {
    f.__name__: f
    for f in (embedding, rms_norm, linear, rope, latent_attention, mlp, router, experts, add, head)
}
