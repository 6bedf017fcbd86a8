"""Which storage a format gives each weight, and the bytes that follow: memory is known before anything is loaded.

A format (``float32``, ``bfloat16``, ``int8``, ``int4``) is a rule by role. Norms, biases and the router stay float:
they are tiny and the choice of experts hangs on them. In ``int4`` the embedding, the head and kv_b_proj (read in both
directions, 0.4 % of the parameters of V2-Lite) are int8.
"""

from __future__ import annotations

from .program import Program, Weight

__all__ = ["CACHES", "FORMATS", "GROUPS", "cache_bytes", "scratch_bytes", "storage", "weight_bytes"]

FORMATS = ("float32", "bfloat16", "int8", "int4")
CACHES = ("float32", "bfloat16", "int8")  # of latents
GROUPS = (32, 64, 128)  # columns that share a scale
PASS = 2048  # tokens that the native engine computes together at most
_BYTES = {"F32": 4.0, "BF16": 2.0}


def storage(weight: Weight, format: str, group: int = 32) -> tuple[str, int]:
    """Storage of a weight in a format: ("F32" | "BF16" | "int8" | "int4", columns a scale or 0)."""
    if len(weight.shape) == 1:
        return "F32", 0
    if format in ("float32", "bfloat16"):
        return ("F32" if format == "float32" else "BF16"), 0
    if weight.role == "router":
        return "F32", 0
    bits = "int8" if format == "int8" or weight.role in ("embedding", "head", "kv_b") else "int4"
    return bits, _group(weight.shape[1], group)


def _group(columns: int, group: int) -> int:
    """The largest of group, group/2, ... 32 that divides the columns; 32 (with padding) where none does."""
    while group > 32 and columns % group:
        group //= 2
    return group


def bytes_of(weight: Weight, format: str, group: int = 32) -> int:
    """Bytes of one weight as the native engine holds it (a half-precision scale a row and group)."""
    kind, columns = storage(weight, format, group)
    if kind in _BYTES:
        return int(weight.size * _BYTES[kind])
    rows, cols = -(-weight.shape[0] // 16) * 16, -(-weight.shape[1] // columns) * columns
    return rows * cols // (1 if kind == "int8" else 2) + rows * (cols // columns) * 2


def weight_bytes(program: Program, format: str, group: int = 32) -> int:
    """Bytes of all weights in a format."""
    return sum(bytes_of(w, format, group) for w in program.weights.values())


def cache_bytes(program: Program, context: int, cache_dtype: str = "bfloat16") -> int:
    """Bytes of the latent cache: a token has a row of kv_lora_rank + qk_rope_head_dim values in each layer."""
    width = program.config.latent_width
    row = {"float32": 4 * width, "bfloat16": 2 * width, "int8": -(-width // 64) * 66}[cache_dtype]
    return program.config.num_hidden_layers * row * context


def scratch_bytes(program: Program, context: int, threads: int) -> int:
    """Bytes of the engine's buffers for the longest pass, and of its scratch: expert slots, or states of attention."""
    c, chunk = program.config, min(PASS, context)
    rows = sum(program.buffers.values()) - program.buffers["logits"]
    slots = (c.num_experts_per_tok or 0) * (c.moe_intermediate_size + 2 * c.hidden_size)
    queries = min(chunk, 128) * c.num_attention_heads * (c.latent_width + c.kv_lora_rank)  # absorbed, and their results
    states = (max(64, 8 * threads) + context // 128) * 16 * (c.kv_lora_rank + 2)  # of 16 queries a split of 128 keys
    scratch = max(chunk * max(slots, c.intermediate_size), queries + states)
    return 4 * (chunk * rows + program.buffers["logits"] + scratch + threads * chunk * c.v_head_dim)
