"""What each op of a program does, in PyTorch: one function a kind, differentiable, for float32 and bfloat16.

Precision follows the official code where bfloat16 makes a difference: norms, rotary rotation, router and attention
softmax in float32, rounded once to the type of the activations; the weighted sum over experts in float32; logits
float32. In float32 nothing of this rounds.

Shapes: B batch, T new tokens, S cached tokens with the new ones, D hidden, H heads, R kv_lora_rank, E experts,
K experts a token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["OPS", "Call", "LatentCache", "Step"]


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
    """What all ops of one forward pass share."""

    tokens: Tensor  # (B, T)
    cos: Tensor  # (T, rope / 2), float32, of the positions of the new tokens
    sin: Tensor
    cache: LatentCache
    form: str  # "absorbed" | "expanded"

    def latent(self, layer: int, rows: Tensor) -> Tensor:
        """What the new rows (B, T, R + rope) attend to: (B, S, R + rope)."""
        return self.cache.append(layer, rows)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        """q (B, T, H, d), k (B, S, H, d), v (B, S, H, e) -> (B, T, H, e); the T queries are the last of S positions."""
        new, total = q.shape[1], k.shape[1]
        mask = None
        if 1 < new < total:
            mask = torch.ones(new, total, dtype=torch.bool, device=q.device).tril(total - new)
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=new == total, scale=scale)
        return out.transpose(1, 2)

    def routed(self, scores: Tensor, ids: Tensor) -> None:
        """Sees every choice: scores (B, T, E), ids (B, T, K). Training balances by it."""


@dataclass(frozen=True)
class Call:
    """One op of a step; its function takes this, the inputs and the weights."""

    step: Step
    attrs: Mapping[str, Any]
    layer: int | None


def embedding(call: Call, table: Tensor) -> Tensor:
    return F.embedding(call.step.tokens, table)


def rms_norm(call: Call, x: Tensor, weight: Tensor) -> Tensor:
    y = x.float()
    y = y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + call.attrs["eps"])
    return weight * y.to(x.dtype)  # cast before the product, as the official code does


def linear(_: Call, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return F.linear(x, weight, bias)


def rope(call: Call, x: Tensor) -> Tensor:
    offset, dim, interleave = call.attrs["offset"], call.attrs["dim"], call.attrs["interleave"]
    heads = x.unflatten(-1, (call.attrs["heads"], call.attrs["stride"]))
    before, turned, after = heads.split([offset, dim, heads.shape[-1] - offset - dim], dim=-1)
    pairs, axis = ((dim // 2, 2), -1) if interleave else ((2, dim // 2), -2)  # (i, i + 1) or (i, i + dim / 2)
    a, b = turned.float().unflatten(-1, pairs).unbind(axis)  # (B, T, heads, dim / 2)
    cos, sin = call.step.cos[:, None], call.step.sin[:, None]
    turned = torch.stack([a * cos - b * sin, a * sin + b * cos], axis).flatten(-2).to(x.dtype)
    return torch.cat([before, turned, after], dim=-1).flatten(-2)


def latent_attention(call: Call, q: Tensor, kv: Tensor, kv_b: Tensor) -> Tensor:
    heads, nope, v, rank = (call.attrs[name] for name in ("heads", "nope", "v", "rank"))
    q = q.unflatten(-1, (heads, -1))  # (B, T, H, nope + rope)
    kv = call.step.latent(call.layer or 0, kv)  # (B, S, R + rope)
    if call.step.form == "absorbed":  # queries move into the latent space, where the cache itself is keys and values
        w_uk, w_uv = kv_b.unflatten(0, (heads, nope + v)).split([nope, v], dim=1)  # (H, nope, R), (H, v, R)
        q = torch.cat([torch.einsum("bthd,hdr->bthr", q[..., :nope], w_uk), q[..., nope:]], dim=-1)
        keys = kv[:, :, None].expand(-1, -1, heads, -1)  # (B, S, H, R + rope)
        latent = call.step.attend(q, keys, keys[..., :rank], call.attrs["scale"])  # (B, T, H, R)
        return torch.einsum("bthr,hvr->bthv", latent, w_uv).flatten(-2)
    c_kv, k_pe = kv.split([rank, kv.shape[-1] - rank], dim=-1)
    k_nope, values = F.linear(c_kv, kv_b).unflatten(-1, (heads, nope + v)).split([nope, v], dim=-1)  # (B, S, H, .)
    keys = torch.cat([k_nope, k_pe[:, :, None].expand(-1, -1, heads, -1)], dim=-1)
    return call.step.attend(q, keys, values, call.attrs["scale"]).flatten(-2)


def mlp(_: Call, x: Tensor, gate: Tensor, up: Tensor, down: Tensor) -> Tensor:
    return F.linear(F.silu(F.linear(x, gate)) * F.linear(x, up), down)


def router(call: Call, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    with torch.autocast(x.device.type, enabled=False):
        logits = F.linear(x.float(), weight.float())  # (B, T, E)
    scores = logits.sigmoid() if call.attrs["scoring"] == "sigmoid" else logits.softmax(-1)
    choice = scores.detach() if bias is None else scores.detach() + bias.float()
    if call.attrs["method"] != "greedy":
        choice = _best_groups(choice, call.attrs)
    ids = _top(choice, call.attrs["top_k"])  # (B, T, K)
    call.step.routed(scores, ids)
    gate = scores.gather(-1, ids)  # never the biased scores
    if call.attrs["norm_topk_prob"]:
        gate = gate / (gate.sum(-1, keepdim=True) + 1e-20)
    return torch.cat([ids.float(), gate * call.attrs["scale"]], dim=-1)


def _best_groups(choice: Tensor, attrs: Mapping[str, Any]) -> Tensor:
    """Experts outside the topk_group best of n_group groups become -inf."""
    grouped = choice.unflatten(-1, (attrs["n_group"], -1))  # (B, T, groups, E / groups)
    best = 2 if attrs["method"] == "noaux_tc" and attrs["n_group"] > 1 else 1  # experts a group is judged by
    kept = _top(grouped.topk(best, dim=-1).values.sum(-1), attrs["topk_group"])
    dropped = torch.ones_like(grouped[..., 0], dtype=torch.bool).scatter(-1, kept, False)
    return grouped.masked_fill(dropped[..., None], float("-inf")).flatten(-2)


def _top(x: Tensor, k: int) -> Tensor:
    """Indices of the k largest, descending; of equals the lower index first, which topk does not promise."""
    return x.sort(dim=-1, descending=True, stable=True).indices[..., :k]


def experts(call: Call, x: Tensor, route: Tensor, *stacked: Tensor) -> Tensor:
    """``stacked``: gate (E, I, D), up (E, I, D), down (E, D, I). Unbound once, so that gradients are stacked once."""
    rows = x.flatten(0, -2)  # (B * T, D)
    ids, gate = route.flatten(0, -2).chunk(2, dim=-1)  # (B * T, K) each
    matrices = list(zip(*(w.unbind() for w in stacked), strict=True))
    out = torch.zeros_like(rows, dtype=torch.float32)
    for expert in ids.unique().long().tolist():
        token, slot = (ids == expert).nonzero(as_tuple=True)
        y = mlp(call, rows[token], *matrices[expert])
        out = out.index_add(0, token, y.float() * gate[token, slot, None])
    return out.to(x.dtype).view_as(x)


def add(_: Call, a: Tensor, b: Tensor) -> Tensor:
    return a + b


def head(_: Call, x: Tensor, weight: Tensor) -> Tensor:
    return F.linear(x, weight).float()


OPS: dict[str, Callable[..., Tensor]] = {
    f.__name__: f for f in (embedding, rms_norm, linear, rope, latent_attention, mlp, router, experts, add, head)
}
