"""The model family straight from its formulas: float64 NumPy, no program, no config class, nothing shared with fathom.

Source: DeepSeek-V2 paper §2.1 (MLA, expanded form) and §2.2 (DeepSeekMoE), DeepSeek-V3 report §2.1.2 (sigmoid scores,
correction bias, top-2 group score), YaRN §3; where the papers are silent, the released remote code. It takes the
official config.json as a plain dict in which every field it needs is present, and weights under official names.

Each step is a method, so that a test can plant one wrong reading (a subclass) and see the logits move.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

Array = np.ndarray


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def yarn_mscale(factor: float, mscale: float) -> float:
    return 0.1 * mscale * math.log(factor) + 1 if factor > 1 else 1.0


class Formulas:
    inner_eps = 1e-6  # of q_a_layernorm and kv_a_layernorm: hard-wired in every released implementation

    def __init__(self, config: Mapping[str, Any], weights: Mapping[str, Array]) -> None:
        self.c = dict(config)
        self.w = {name: np.asarray(value, dtype=np.float64) for name, value in weights.items()}
        self.yarn = self.c.get("rope_scaling")  # None: plain rope

    # -- the network

    def logits(self, tokens: Array) -> Array:
        """tokens (T,) -> (T, V)"""
        x = self.w["model.embed_tokens.weight"][tokens]
        for layer in range(self.c["num_hidden_layers"]):
            at = f"model.layers.{layer}."
            x = x + self.attention(at + "self_attn.", self.norm(x, at + "input_layernorm", self.c["rms_norm_eps"]))
            h = self.norm(x, at + "post_attention_layernorm", self.c["rms_norm_eps"])
            x = x + (self.moe(at + "mlp.", h) if self.is_moe(layer) else self.mlp(at + "mlp.", h))
        x = self.norm(x, "model.norm", self.c["rms_norm_eps"])
        head = "model.embed_tokens" if self.c["tie_word_embeddings"] else "lm_head"
        return x @ self.w[head + ".weight"].T

    def norm(self, x: Array, name: str, eps: float) -> Array:
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * self.w[name + ".weight"]

    def linear(self, x: Array, name: str) -> Array:
        return x @ self.w[name + ".weight"].T + self.w.get(name + ".bias", 0.0)

    # -- multi-head latent attention, expanded

    def attention(self, at: str, h: Array) -> Array:
        heads, nope, rope = (self.c[k] for k in ("num_attention_heads", "qk_nope_head_dim", "qk_rope_head_dim"))
        if self.c["q_lora_rank"] is None:
            q = self.linear(h, at + "q_proj")
        else:
            q = self.linear(
                self.norm(self.linear(h, at + "q_a_proj"), at + "q_a_layernorm", self.inner_eps), at + "q_b_proj"
            )
        q = q.reshape(len(h), heads, nope + rope)
        c_kv, k_pe = self.latent(at, h)
        w_uk, w_uv = self.split_kv_b(self.w[at + "kv_b_proj.weight"].reshape(heads, -1, self.c["kv_lora_rank"]))
        k = np.einsum("tr,hdr->thd", c_kv, w_uk)
        v = np.einsum("tr,hdr->thd", c_kv, w_uv)
        scores = np.einsum("qhd,khd->hqk", q[..., :nope], k)
        scores += np.einsum("qhd,kd->hqk", self.rotate(q[..., nope:]), self.rotate(k_pe[:, None])[:, 0])
        scores = scores * self.softmax_scale() + np.triu(np.full((len(h), len(h)), -np.inf), 1)
        return self.linear(np.einsum("hqk,khd->qhd", softmax(scores), v).reshape(len(h), -1), at + "o_proj")

    def latent(self, at: str, h: Array) -> tuple[Array, Array]:
        kv = self.linear(h, at + "kv_a_proj_with_mqa")
        rank = self.c["kv_lora_rank"]
        return self.norm(kv[:, :rank], at + "kv_a_layernorm", self.inner_eps), kv[:, rank:]

    def split_kv_b(self, kv_b: Array) -> tuple[Array, Array]:
        return kv_b[:, : self.c["qk_nope_head_dim"]], kv_b[:, self.c["qk_nope_head_dim"] :]

    def softmax_scale(self) -> float:
        scale = (self.c["qk_nope_head_dim"] + self.c["qk_rope_head_dim"]) ** -0.5
        if self.yarn and self.yarn.get("mscale_all_dim"):
            scale *= yarn_mscale(self.yarn["factor"], self.yarn["mscale_all_dim"]) ** 2
        return scale

    # -- rotary positions

    def rotate(self, x: Array) -> Array:
        """x (T, H, d) at positions 0..T-1. The pairs are (0,1),(2,3).. or (0,d/2),(1,d/2+1)..; each turns in place."""
        angle = np.arange(len(x))[:, None, None] * self.inv_freq()
        cos, sin = np.cos(angle) * self.cos_sin_factor(), np.sin(angle) * self.cos_sin_factor()
        half = x.shape[-1] // 2
        interleaved = self.c.get("rope_interleave", True)
        a, b = (slice(0, None, 2), slice(1, None, 2)) if interleaved else (slice(0, half), slice(half, None))
        out = np.empty_like(x)
        out[..., a] = x[..., a] * cos - x[..., b] * sin
        out[..., b] = x[..., a] * sin + x[..., b] * cos
        return out

    def inv_freq(self) -> Array:
        dim, theta = self.c["qk_rope_head_dim"], self.c["rope_theta"]
        extra = theta ** (-np.arange(0, dim, 2) / dim)
        if not self.yarn:
            return extra
        waves = [self.yarn["original_max_position_embeddings"] / (turns * 2 * math.pi) for turns in self.turns()]
        low, high = self.ramp_bounds(*(dim * math.log(wave) / (2 * math.log(theta)) for wave in waves))
        low, high = max(low, 0), min(high, dim - 1)
        ramp = np.clip((np.arange(dim // 2) - low) / ((high - low) or 0.001), 0, 1)
        return extra / self.yarn["factor"] * ramp + extra * (1 - ramp)

    def turns(self) -> tuple[float, float]:
        return self.yarn["beta_fast"], self.yarn["beta_slow"]

    def ramp_bounds(self, low: float, high: float) -> tuple[float, float]:
        return math.floor(low), math.ceil(high)

    def cos_sin_factor(self) -> float:
        if not self.yarn:
            return 1.0
        factor = self.yarn["factor"]
        return yarn_mscale(factor, self.yarn["mscale"]) / yarn_mscale(factor, self.yarn["mscale_all_dim"])

    # -- feed-forward

    def is_moe(self, layer: int) -> bool:
        if self.c.get("mlp_layer_types"):
            return self.c["mlp_layer_types"][layer] == "sparse"
        if not self.c["n_routed_experts"]:
            return False
        return layer >= self.c["first_k_dense_replace"] and layer % self.c.get("moe_layer_freq", 1) == 0

    def mlp(self, at: str, h: Array) -> Array:
        gate = self.linear(h, at + "gate_proj")
        return self.linear(gate * sigmoid(gate) * self.linear(h, at + "up_proj"), at + "down_proj")

    def moe(self, at: str, h: Array) -> Array:
        ids, weights = self.route(at + "gate.", h)
        out = self.mlp(at + "shared_experts.", h) if self.c["n_shared_experts"] else np.zeros_like(h)
        for expert in range(self.c["n_routed_experts"]):
            token, slot = np.nonzero(ids == expert)
            out[token] += weights[token, slot, None] * self.mlp(f"{at}experts.{expert}.", h[token])
        return out

    def route(self, at: str, h: Array) -> tuple[Array, Array]:
        """-> expert ids (T, K) and their weights (T, K)"""
        scores = self.scores(h @ self.w[at + "weight"].T)
        ids = np.argsort(-self.choice(scores, self.w.get(at + "e_score_correction_bias")), axis=-1, kind="stable")
        ids = ids[:, : self.c["num_experts_per_tok"]]
        return ids, self.scale(np.take_along_axis(scores, ids, -1))

    def scores(self, logits: Array) -> Array:
        return sigmoid(logits) if self.c["scoring_func"] == "sigmoid" else softmax(logits)

    def choice(self, scores: Array, bias: Array | None) -> Array:
        if self.c["topk_method"] == "greedy":
            return scores
        if self.c["topk_method"] == "noaux_tc":
            scores = scores + (0.0 if bias is None else bias)
        grouped = scores.reshape(len(scores), self.c["n_group"], -1)
        order = np.argsort(-self.group_score(grouped), axis=-1, kind="stable")
        dropped = order[:, self.c["topk_group"] :]
        kept = grouped.copy()
        np.put_along_axis(kept, dropped[..., None], self.masked(), axis=1)
        return kept.reshape(scores.shape)

    def group_score(self, grouped: Array) -> Array:
        """grouped (T, G, E/G) -> (T, G)"""
        best = np.sort(grouped, axis=-1)[..., ::-1]
        return best[..., :2].sum(-1) if self.c["topk_method"] == "noaux_tc" else best[..., 0]

    def masked(self) -> float:
        return -np.inf

    def scale(self, weights: Array) -> Array:
        if self.c["norm_topk_prob"]:
            weights = weights / (weights.sum(-1, keepdims=True) + 1e-20)
        return weights * self.c["routed_scaling_factor"]
