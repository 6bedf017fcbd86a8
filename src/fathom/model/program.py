"""A ``ModelConfig`` becomes a flat, printable list of ops: multi-head latent attention and DeepSeekMoE, written once.

Nothing else knows the architecture. Executors (PyTorch in ``fathom.reference``, C++ in ``fathom._native``) run the ops
in order over float32 buffers of one row a token; memory and arithmetic are predicted from the same list. Formulas:
DeepSeek-V2 paper 2.1 (MLA), 2.2 (DeepSeekMoE); DeepSeek-V3 paper 2.1.2 (``noaux_tc``).

========================  =====================================================================================
kind                      meaning (a buffer row holds one token)
========================  =====================================================================================
``embedding``             x = E[token]
``rms_norm``              y = w * x / sqrt(mean(x^2) + eps); may be in place
``linear``                y = W x (+ b)
``rope``                  rotate columns [h*stride + offset, + dim) of each head h, in place
``latent_attention``      append kv_a = [c_kv | k_pe] to the layer's cache; o_h = W_UV,h softmax(s_h) c_kv over the
                          cache with s_h = scale * (q_nope,h . W_UK,h c_kv + q_pe,h . k_pe); causal
``mlp``                   y = W_down (silu(W_gate h) * W_up h)
``router``                route = [ids of the top_k experts | their weights], 2 * top_k columns
``experts``               y = sum_i weight_i * mlp_{id_i}(h)
``add``                   y = a + b
``head``                  logits = W h
========================  =====================================================================================
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ..config import ModelConfig

__all__ = ["Op", "Program", "View", "Weight", "build_program"]

Attr = int | float | str | bool | None
INNER_EPS = 1e-6  # q_a and kv_a norms: fixed in the official code, whatever rms_norm_eps says


@dataclass(frozen=True, slots=True)
class View:
    """Columns [offset, offset + width) of every row of a buffer."""

    buffer: str
    offset: int
    width: int

    def __str__(self) -> str:
        return f"{self.buffer}[{self.offset}:{self.offset + self.width}]"


@dataclass(frozen=True, slots=True)
class Weight:
    """A tensor the model needs: its official name, torch shape and what it is for.

    Roles: ``embedding`` (a tied one is the head too), ``head``, ``matrix``, ``kv_b``, ``router``, ``norm``, ``bias``;
    formats decide by role what is quantised.
    """

    name: str
    shape: tuple[int, ...]
    role: str

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Op:
    kind: str
    name: str  # module path of the official model; unique, the key of ``fathom trace``
    inputs: tuple[View, ...]
    output: View
    weights: tuple[Weight, ...] = ()
    attrs: dict[str, Attr] = field(default_factory=dict)
    layer: int | None = None

    def macs(self, context: int = 0, form: str = "absorbed") -> int:
        """Multiply-accumulates for one token that attends to ``context`` cached ones (itself included)."""
        match self.kind:
            case "linear" | "mlp" | "router" | "head":
                return sum(w.size for w in self.weights if len(w.shape) == 2)
            case "experts":
                one = sum(w.size for w in self.weights[:3])
                return one * int(self.attrs["top_k"] or 0)
            case "latent_attention":
                a = {k: int(self.attrs[k] or 0) for k in ("heads", "nope", "rope", "v", "rank")}
                kv_b = a["heads"] * (a["nope"] + a["v"]) * a["rank"]  # once a token in either form
                if form == "absorbed":  # scores over rank + rope, sum over rank
                    return kv_b + context * a["heads"] * (2 * a["rank"] + a["rope"])
                return kv_b + context * a["heads"] * (a["nope"] + a["rope"] + a["v"])
        return 0

    def share_read(self, tokens: int = 1) -> float:
        """The share of its weights that a pass of ``tokens`` reads; experts are taken as equally likely."""
        if self.kind == "embedding":
            return min(tokens / self.weights[0].shape[0], 1.0)
        if self.kind == "experts":
            used = 3 * int(self.attrs["top_k"] or 0) / len(self.weights)
            return float(1 - (1 - used) ** tokens)
        return 1.0

    @property
    def local_name(self) -> str:
        """The name within the layer: the same op of another layer has the same."""
        return self.name.removeprefix(f"model.layers.{self.layer}.")

    @property
    def signature(self) -> tuple[object, ...]:
        """What ops of different layers share when they do the same; begins with local name and kind."""
        return self.local_name, self.kind, self.inputs, self.output, tuple(w.shape for w in self.weights)


@dataclass(frozen=True, slots=True)
class Program:
    config: ModelConfig
    ops: tuple[Op, ...]
    buffers: dict[str, int]  # name -> columns

    @property
    def weights(self) -> dict[str, Weight]:
        """Every tensor a checkpoint must hold, by official name, in order of first use."""
        return {w.name: w for op in self.ops for w in op.weights}

    @property
    def parameters(self) -> int:
        return sum(w.size for w in self.weights.values())

    @property
    def active_parameters(self) -> int:
        """Parameters that take part in one token; of the embedding table only one row does."""
        return round(sum(op.share_read() * sum(w.size for w in op.weights) for op in self.ops))

    def flops(self, context: int = 0, form: str = "absorbed") -> int:
        """Floating-point operations a token: two for each multiply-accumulate of :meth:`Op.macs`."""
        return 2 * sum(op.macs(context, form) for op in self.ops)


class _Builder:
    def __init__(self, config: ModelConfig) -> None:
        self.config = config
        self.ops: list[Op] = []
        self.buffers: dict[str, int] = {}

    def view(self, buffer: str, width: int) -> View:
        self.buffers[buffer] = max(self.buffers.get(buffer, 0), width)
        return View(buffer, 0, width)

    def emit(
        self,
        kind: str,
        name: str,
        inputs: tuple[View, ...],
        output: View,
        *weights: Weight,
        layer: int | None = None,
        **attrs: Attr,
    ) -> View:
        self.ops.append(Op(kind, name, inputs, output, weights, attrs, layer))
        return output

    def norm(self, name: str, x: View, out: View, layer: int | None, eps: float) -> View:
        return self.emit(
            "rms_norm", name, (x,), out, Weight(f"{name}.weight", (x.width,), "norm"), layer=layer, eps=eps
        )

    def linear(self, name: str, x: View, out: View, layer: int, *, bias: bool = False) -> View:
        weights = [Weight(f"{name}.weight", (out.width, x.width), "matrix")]
        if bias:
            weights.append(Weight(f"{name}.bias", (out.width,), "bias"))
        return self.emit("linear", name, (x,), out, *weights, layer=layer)

    def attention(self, layer: int, h: View) -> View:
        c = self.config
        path = f"model.layers.{layer}.self_attn"
        heads, rank = c.num_attention_heads, c.kv_lora_rank
        nope, rope, v = c.qk_nope_head_dim, c.qk_rope_head_dim, c.v_head_dim
        q = self.view("q", heads * c.qk_head_dim)
        if c.q_lora_rank is None:
            self.linear(f"{path}.q_proj", h, q, layer)
        else:
            q_a = self.view("q_a", c.q_lora_rank)
            self.linear(f"{path}.q_a_proj", h, q_a, layer, bias=c.attention_bias)
            self.norm(f"{path}.q_a_layernorm", q_a, q_a, layer, INNER_EPS)
            self.linear(f"{path}.q_b_proj", q_a, q, layer)
        kv_a = self.view("kv_a", c.latent_width)
        self.linear(f"{path}.kv_a_proj_with_mqa", h, kv_a, layer, bias=c.attention_bias)
        c_kv = self.view("kv_a", rank)
        self.norm(f"{path}.kv_a_layernorm", c_kv, c_kv, layer, INNER_EPS)
        turn: dict[str, Attr] = {"dim": rope, "interleave": c.rope.interleave}
        self.emit("rope", f"{path}.q_pe", (q,), q, layer=layer, heads=heads, stride=c.qk_head_dim, offset=nope, **turn)
        self.emit("rope", f"{path}.k_pe", (kv_a,), kv_a, layer=layer, heads=1, stride=kv_a.width, offset=rank, **turn)
        o = self.view("o", heads * v)
        self.emit(
            "latent_attention",
            f"{path}.attention",
            (q, kv_a),
            o,
            Weight(f"{path}.kv_b_proj.weight", (heads * (nope + v), rank), "kv_b"),
            layer=layer,
            heads=heads,
            nope=nope,
            rope=rope,
            v=v,
            rank=rank,
            scale=c.softmax_scale,
        )
        return self.linear(f"{path}.o_proj", o, self.view("y", c.hidden_size), layer, bias=c.attention_bias)

    def mlp(self, name: str, layer: int, h: View, width: int, out: View) -> View:
        return self.emit("mlp", name, (h,), out, *_gated(name, h.width, width), layer=layer)

    def moe(self, layer: int, h: View) -> View:
        c = self.config
        path = f"model.layers.{layer}.mlp"
        experts, top_k = c.n_routed_experts or 0, c.num_experts_per_tok or 0
        gate = [Weight(f"{path}.gate.weight", (experts, c.hidden_size), "router")]
        if c.topk_method == "noaux_tc":
            gate.append(Weight(f"{path}.gate.e_score_correction_bias", (experts,), "bias"))
        route = self.emit(
            "router",
            f"{path}.gate",
            (h,),
            self.view("route", 2 * top_k),
            *gate,
            layer=layer,
            top_k=top_k,
            scoring=c.scoring_func,
            method=c.topk_method,
            n_group=c.n_group or 1,
            topk_group=c.topk_group or 1,
            norm_topk_prob=c.norm_topk_prob,
            scale=c.routed_scaling_factor,
        )
        matrices = [
            w for e in range(experts) for w in _gated(f"{path}.experts.{e}", c.hidden_size, c.moe_intermediate_size)
        ]
        y = self.view("y", c.hidden_size)
        self.emit("experts", f"{path}.experts", (h, route), y, *matrices, layer=layer, experts=experts, top_k=top_k)
        if c.n_shared_experts:  # all shared experts are one gated MLP of their joint width
            shared = self.view("shared", c.hidden_size)
            self.mlp(f"{path}.shared_experts", layer, h, c.n_shared_experts * c.moe_intermediate_size, shared)
            self.emit("add", f"{path}.sum", (y, shared), y, layer=layer)
        return y

    def build(self) -> Program:
        c = self.config
        x, h = self.view("x", c.hidden_size), self.view("h", c.hidden_size)
        embed = Weight("model.embed_tokens.weight", (c.vocab_size, c.hidden_size), "embedding")
        self.emit("embedding", "model.embed_tokens", (), x, embed)
        for layer in range(c.num_hidden_layers):
            path = f"model.layers.{layer}"
            self.norm(f"{path}.input_layernorm", x, h, layer, c.rms_norm_eps)
            self.emit("add", f"{path}.attention_residual", (x, self.attention(layer, h)), x, layer=layer)
            self.norm(f"{path}.post_attention_layernorm", x, h, layer, c.rms_norm_eps)
            if c.is_moe_layer(layer):
                y = self.moe(layer, h)
            else:
                y = self.mlp(f"{path}.mlp", layer, h, c.intermediate_size, self.view("y", c.hidden_size))
            self.emit("add", f"{path}.mlp_residual", (x, y), x, layer=layer)
        self.norm("model.norm", x, h, None, c.rms_norm_eps)
        head = embed if c.tie_word_embeddings else Weight("lm_head.weight", (c.vocab_size, c.hidden_size), "head")
        self.emit("head", "lm_head", (h,), self.view("logits", c.vocab_size), head)
        return Program(c, tuple(self.ops), self.buffers)


def _gated(name: str, hidden: int, width: int) -> tuple[Weight, Weight, Weight]:
    return (
        Weight(f"{name}.gate_proj.weight", (width, hidden), "matrix"),
        Weight(f"{name}.up_proj.weight", (width, hidden), "matrix"),
        Weight(f"{name}.down_proj.weight", (hidden, width), "matrix"),
    )


def build_program(config: ModelConfig) -> Program:
    """The program of any member of the family."""
    return _Builder(config).build()
