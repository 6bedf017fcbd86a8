"""``config.json`` of the DeepSeek-V2 family <-> a frozen dataclass.

Official files leave fields out and rely on the defaults of their own configuration class, so each ``model_type`` has
a table of defaults here (DeepSeek's configuration_deepseek.py for V2 and V3, zai-org's for GLM-4.7-Flash). An explicit
null is kept apart from a missing field: ``q_lora_rank: null`` means a plain q_proj, a missing one means 1536. Unknown
fields are kept and written back unchanged.
"""

from __future__ import annotations

import copy
import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import FathomError

__all__ = ["MODEL_TYPES", "ModelConfig", "Rope", "yarn_mscale"]

_COMMON: dict[str, Any] = {
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "q_lora_rank": 1536,
    "moe_layer_freq": 1,
    "first_k_dense_replace": 0,
    "mlp_layer_types": None,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": False,
    "attention_bias": False,
    "pad_token_id": None,
    "num_nextn_predict_layers": 0,
    "hidden_act": "silu",
    "rope_theta": 10000.0,
    "rope_interleave": True,
}

#: Defaults of each model_type for fields its config.json leaves out.
MODEL_TYPES: dict[str, dict[str, Any]] = {
    "deepseek_v2": _COMMON
    | {
        "vocab_size": 102400,
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "moe_intermediate_size": 1407,
        "num_hidden_layers": 30,
        "num_attention_heads": 32,
        "n_shared_experts": None,
        "n_routed_experts": None,
        "num_experts_per_tok": None,
        "n_group": None,
        "topk_group": None,
        "topk_method": "greedy",
        "scoring_func": "softmax",
        "norm_topk_prob": False,
        "routed_scaling_factor": 1.0,
        "max_position_embeddings": 2048,
        "bos_token_id": 100000,
        "eos_token_id": 100001,
    },
    "deepseek_v3": _COMMON
    | {
        "vocab_size": 129280,
        "hidden_size": 7168,
        "intermediate_size": 18432,
        "moe_intermediate_size": 2048,
        "num_hidden_layers": 61,
        "num_attention_heads": 128,
        "n_shared_experts": 1,
        "n_routed_experts": 256,
        "num_experts_per_tok": 8,
        "n_group": 8,
        "topk_group": 4,
        "topk_method": "noaux_tc",
        "scoring_func": "sigmoid",
        "norm_topk_prob": True,
        "routed_scaling_factor": 2.5,
        "first_k_dense_replace": 3,
        "max_position_embeddings": 4096,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "num_nextn_predict_layers": 1,
    },
    "glm4_moe_lite": _COMMON
    | {
        "vocab_size": 154880,
        "hidden_size": 2048,
        "intermediate_size": 10240,
        "moe_intermediate_size": 1536,
        "num_hidden_layers": 47,
        "num_attention_heads": 20,
        "q_lora_rank": 768,
        "qk_nope_head_dim": 192,
        "v_head_dim": 256,
        "n_shared_experts": 1,
        "n_routed_experts": 64,
        "num_experts_per_tok": 4,
        "n_group": 1,
        "topk_group": 1,
        "topk_method": "noaux_tc",
        "scoring_func": "sigmoid",
        "norm_topk_prob": True,
        "routed_scaling_factor": 1.8,
        "first_k_dense_replace": 1,
        "rms_norm_eps": 1e-5,
        "max_position_embeddings": 202752,
        "bos_token_id": 0,
        "eos_token_id": 1,
    },
}

_CHOICES = {
    "topk_method": ("greedy", "group_limited_greedy", "noaux_tc"),
    "scoring_func": ("softmax", "sigmoid"),
    "hidden_act": ("silu",),
}
_NULLABLE = {"q_lora_rank", "n_shared_experts", "n_routed_experts", "num_experts_per_tok", "n_group", "topk_group"}
_NULLABLE |= {"mlp_layer_types", "bos_token_id", "eos_token_id", "pad_token_id", "num_nextn_predict_layers"}
_LARGEST = 1 << 24  # no width or vocabulary of a real model comes near; keeps products inside 64 bits
_STEEPEST = 1e12  # the same for real numbers: no formula below leaves the range of a float
_MOST = {"num_hidden_layers": 1024, "n_routed_experts": 4096}  # what is enumerated is bounded closer
_ZERO_ALLOWED = {"first_k_dense_replace", "num_nextn_predict_layers", "n_routed_experts", "n_shared_experts"}


def yarn_mscale(factor: float, mscale: float) -> float:
    """YaRN's attention temperature ``0.1 m ln s + 1`` (paper 3.1.4); 1 where nothing is stretched."""
    return 0.1 * mscale * math.log(factor) + 1.0 if factor > 1.0 else 1.0


@dataclass(frozen=True, slots=True)
class Rope:
    """Rotary position embedding of the decoupled key: plain, or YaRN (static: it applies below the old length too)."""

    type: str = "default"  # "default" | "yarn"
    theta: float = 10000.0
    interleave: bool = True  # pairs (0,1), (2,3) ... as DeepSeek stores them; else (i, i + dim/2)
    factor: float = 1.0
    original_max_position_embeddings: int = 4096
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    mscale: float = 1.0
    mscale_all_dim: float = 0.0
    attention_factor: float | None = None

    def inv_freq(self, dim: int) -> list[float]:
        """The dim/2 angular frequencies, rounded to float32 as the official code keeps them."""
        freqs = [self.theta ** (-i / dim) for i in range(0, dim, 2)]
        if self.type == "yarn":
            low, high = self._correction_range(dim)
            for i, extra in enumerate(freqs):
                ramp = min(max((i - low) / (high - low), 0.0), 1.0)  # 0: unscaled, 1: divided by the factor
                freqs[i] = extra / self.factor * ramp + extra * (1.0 - ramp)
        return list(struct.unpack(f"{len(freqs)}f", struct.pack(f"{len(freqs)}f", *freqs)))

    def _correction_range(self, dim: int) -> tuple[float, float]:
        def corr(rotations: float) -> float:
            wave = self.original_max_position_embeddings / (rotations * 2.0 * math.pi)
            return dim * math.log(wave) / (2.0 * math.log(self.theta))

        low = max(math.floor(corr(self.beta_fast)), 0)
        high = min(math.ceil(corr(self.beta_slow)), dim - 1)
        return low, high if high != low else high + 0.001

    @property
    def cos_sin_factor(self) -> float:
        """cos and sin are multiplied by this; 1.0 in every released file."""
        if self.type != "yarn":
            return 1.0
        if self.attention_factor is not None:
            return self.attention_factor
        return yarn_mscale(self.factor, self.mscale) / yarn_mscale(self.factor, self.mscale_all_dim)

    @property
    def softmax_factor(self) -> float:
        """Multiplies 1/sqrt(qk_head_dim): ms(factor, mscale_all_dim)^2 (huggingface/transformers#47435)."""
        return yarn_mscale(self.factor, self.mscale_all_dim) ** 2 if self.type == "yarn" else 1.0


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The fields that decide the computation, under their official names; ``raw`` is the file as it was read."""

    model_type: str
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    moe_intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    q_lora_rank: int | None
    kv_lora_rank: int
    qk_nope_head_dim: int
    qk_rope_head_dim: int
    v_head_dim: int
    n_routed_experts: int | None
    n_shared_experts: int | None
    num_experts_per_tok: int | None
    n_group: int | None
    topk_group: int | None
    topk_method: str
    scoring_func: str
    norm_topk_prob: bool
    routed_scaling_factor: float
    first_k_dense_replace: int
    moe_layer_freq: int
    mlp_layer_types: tuple[str, ...] | None
    rms_norm_eps: float
    hidden_act: str
    max_position_embeddings: int
    rope: Rope
    tie_word_embeddings: bool
    attention_bias: bool
    bos_token_id: int | None
    eos_token_id: int | tuple[int, ...] | None
    pad_token_id: int | None
    num_nextn_predict_layers: int | None
    dtype: str
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @classmethod
    def load(cls, path: str | Path) -> ModelConfig:
        """Read ``config.json`` (or the folder that holds one)."""
        path = Path(path)
        file = path / "config.json" if path.is_dir() else path
        try:
            raw = json.loads(file.read_text("utf-8"))
        except FileNotFoundError:
            raise FathomError("config_missing", path=str(path)) from None
        except (OSError, ValueError, RecursionError) as e:  # ValueError: no UTF-8, no JSON, a number of 5000 digits
            raise FathomError("file_malformed", path=str(file), format="JSON", problem=str(e)) from None
        return cls.from_dict(raw)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> ModelConfig:
        """Check and complete a configuration; raises ``config_invalid`` naming the field, ``model_type_unknown``."""
        if not isinstance(raw, Mapping):
            raise FathomError("config_invalid", field="config", problem="expected a JSON object")
        model_type = raw.get("model_type")
        if not isinstance(model_type, str) or model_type not in MODEL_TYPES:
            raise FathomError("model_type_unknown", found=model_type, known=", ".join(MODEL_TYPES))
        values = {
            name: _checked(name, raw.get(name, default), default) for name, default in MODEL_TYPES[model_type].items()
        }
        values["rope"] = _rope(raw, values.pop("rope_theta"), values.pop("rope_interleave"))
        dtype = raw.get("dtype") or raw.get("torch_dtype") or "bfloat16"
        config = cls(model_type=model_type, dtype=str(dtype), raw=copy.deepcopy(dict(raw)), **values)
        config._check()
        return config

    def to_dict(self) -> dict[str, Any]:
        """The official file again: fields that were missing stay missing, nulls stay null, unknown fields are kept."""
        return copy.deepcopy(dict(self.raw))

    def save(self, folder: str | Path) -> None:
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False)
        Path(folder, "config.json").write_text(text + "\n", encoding="utf-8")

    @property
    def qk_head_dim(self) -> int:
        return self.qk_nope_head_dim + self.qk_rope_head_dim

    @property
    def softmax_scale(self) -> float:
        return self.rope.softmax_factor / math.sqrt(self.qk_head_dim)

    @property
    def latent_width(self) -> int:
        """Values cached a token and layer: the latent and the decoupled key."""
        return self.kv_lora_rank + self.qk_rope_head_dim

    @property
    def eos_token_ids(self) -> tuple[int, ...]:
        eos = self.eos_token_id
        return () if eos is None else (eos,) if isinstance(eos, int) else eos

    def is_moe_layer(self, layer: int) -> bool:
        if not self.n_routed_experts:
            return False
        if self.mlp_layer_types is not None:
            return self.mlp_layer_types[layer] == "sparse"
        return layer >= self.first_k_dense_replace and layer % self.moe_layer_freq == 0

    def _check(self) -> None:
        """Relations between fields."""

        def refuse(name: str, problem: str) -> FathomError:
            return FathomError("config_invalid", field=name, problem=problem)

        kv_heads = self.raw.get("num_key_value_heads")
        if kv_heads is not None and kv_heads != self.num_attention_heads:
            raise refuse("num_key_value_heads", f"{kv_heads!r}, latent attention needs {self.num_attention_heads}")
        if self.qk_rope_head_dim % 2:
            raise refuse("qk_rope_head_dim", f"{self.qk_rope_head_dim} is odd; rotary pairs need an even width")
        if self.raw.get("partial_rotary_factor") not in (None, 1, 1.0):
            raise refuse("partial_rotary_factor", "only 1.0 is supported")
        if self.mlp_layer_types is not None and len(self.mlp_layer_types) != self.num_hidden_layers:
            raise refuse("mlp_layer_types", f"{len(self.mlp_layer_types)} entries for {self.num_hidden_layers} layers")
        if not self.n_routed_experts:
            return
        top_k, experts = self.num_experts_per_tok, self.n_routed_experts
        if top_k is None or not 0 < top_k <= experts:
            raise refuse("num_experts_per_tok", f"{top_k} of {experts} experts")
        groups, kept = self.n_group or 1, self.topk_group or 1
        if experts % groups or not 0 < kept <= groups:
            raise refuse("n_group", f"{experts} experts can't be split into {groups} groups of which {kept} are kept")
        if self.topk_method != "greedy" and kept * (experts // groups) < top_k:
            raise refuse("topk_group", f"{kept} groups of {experts // groups} experts are fewer than {top_k}")
        if self.topk_method == "noaux_tc" and groups > 1 and experts // groups < 2:
            raise refuse("n_group", "noaux_tc scores a group by its two best experts; groups of one have none")


def _checked(name: str, value: Any, default: Any) -> Any:
    """One field against the type of its default; a string is never read as a number."""

    def refuse(expected: str) -> FathomError:
        return FathomError("config_invalid", field=name, problem=f"{value!r}, expected {expected}")

    if value is None:
        if name in _NULLABLE:
            return None
        raise refuse("a value, found null")
    if name in _CHOICES:
        value = "greedy" if value == "gready" else value  # the spelling in DeepSeek's own configuration class
        if value not in _CHOICES[name]:
            raise refuse(f"one of {', '.join(_CHOICES[name])}")
        return value
    if name == "mlp_layer_types":
        if not isinstance(value, list) or any(v not in ("dense", "sparse") for v in value):
            raise refuse("a list of 'dense' and 'sparse'")
        return tuple(value)
    if name == "eos_token_id" and isinstance(value, list) and not any(isinstance(v, list) for v in value):
        return tuple(_checked(name, v, default) for v in value if v is not None)
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise refuse("true or false")
        return value
    if isinstance(default, float):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _STEEPEST:
            raise refuse(f"a number from 0 to {_STEEPEST:g}")
        return float(value)
    least = 0 if name.endswith("_token_id") or name in _ZERO_ALLOWED else 1
    most = _MOST.get(name, _LARGEST)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise refuse(f"a whole number from {least} to {most}")
    return value


def _rope(raw: Mapping[str, Any], theta: float, interleave: bool) -> Rope:
    """``rope_parameters`` of transformers >= 5 or ``rope_scaling`` + ``rope_theta`` of the official files."""
    name = "rope_parameters" if raw.get("rope_parameters") is not None else "rope_scaling"
    given = raw.get(name)
    if given is None:
        return Rope(theta=theta, interleave=interleave)
    if not isinstance(given, Mapping):
        raise FathomError("config_invalid", field=name, problem=f"{given!r}, expected an object or null")
    kind = given.get("rope_type", given.get("type", "default"))
    if kind not in ("default", "yarn"):
        raise FathomError("config_invalid", field=f"{name}.type", problem=f"{kind!r}, expected 'default' or 'yarn'")

    def number(key: str, default: float) -> float:
        value: object = given.get(key, default)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _STEEPEST:
            problem = f"{value!r}, expected a number from 0 to {_STEEPEST:g}"
            raise FathomError("config_invalid", field=f"{name}.{key}", problem=problem)
        return float(value)

    theta = number("rope_theta", theta)
    if theta <= 1.0:
        raise FathomError("config_invalid", field="rope_theta", problem=f"{theta}, expected more than 1")
    if number("partial_rotary_factor", 1.0) != 1.0:
        raise FathomError("config_invalid", field=f"{name}.partial_rotary_factor", problem="only 1.0 is supported")
    if kind == "default":
        return Rope(theta=theta, interleave=interleave)
    if "factor" not in given:
        raise FathomError("config_invalid", field=f"{name}.factor", problem="missing; YaRN needs it")
    rope = Rope(
        type="yarn",
        theta=theta,
        interleave=interleave,
        factor=number("factor", 1.0),
        original_max_position_embeddings=int(number("original_max_position_embeddings", 4096)),
        beta_fast=number("beta_fast", 32.0),
        beta_slow=number("beta_slow", 1.0),
        mscale=number("mscale", 1.0),
        mscale_all_dim=number("mscale_all_dim", 0.0),
        attention_factor=number("attention_factor", 1.0) if given.get("attention_factor") is not None else None,
    )
    if rope.factor < 1 or min(rope.original_max_position_embeddings, rope.beta_fast, rope.beta_slow) <= 0:
        problem = "the factor must be 1 or more, original length and betas above 0"
        raise FathomError("config_invalid", field=name, problem=problem)
    return rope
