"""A model's program as a table: what every op reads and computes for one token, before anything is loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from fathom.errors import FathomError
from fathom.files import human

from .console import emit, note, short, table
from .messages import say

if TYPE_CHECKING:
    from fathom.config import ModelConfig
    from fathom.model.program import Op, Program, View, Weight

__all__ = ["Shape", "describe", "find", "print_program", "print_summary"]


@dataclass(frozen=True, slots=True)
class Shape:
    """A model without its weights: the program and the bytes each weight takes in a format."""

    name: str
    config: ModelConfig
    program: Program
    format: str
    nbytes: Callable[[Weight], int]
    cache_dtype: str = "auto"

    @property
    def weight_bytes(self) -> int:
        return sum(map(self.nbytes, self.program.weights.values()))

    def cache_bytes(self, context: int) -> int:
        from fathom.model.formats import cache_bytes

        usual = "float32" if self.format == "float32" else "bfloat16"
        return cache_bytes(self.program, context, usual if self.cache_dtype == "auto" else self.cache_dtype)

    def read(self, op: Op, context: int) -> int:
        """Bytes one token reads for an op: its share of the weights and, in attention, the cache of the layer."""
        cache = self.cache_bytes(context) // self.config.num_hidden_layers if op.kind == "latent_attention" else 0
        return round(op.share_read() * sum(map(self.nbytes, op.weights))) + cache

    def stored_as(self, format: str) -> Shape:
        """The same model in another format."""
        from fathom.model.formats import bytes_of

        return replace(self, format=format, nbytes=lambda weight: bytes_of(weight, format))

    def total(self, context: int) -> int:
        """Bytes one token reads for all ops."""
        return sum(self.read(op, context) for op in self.program.ops)


def find(name: str, dtype: str, cache_dtype: str = "auto") -> Shape:
    """A model by path or name, or a published shape, in a format ("auto": as stored; bfloat16 where nothing is)."""
    from fathom.hub.store import resolve
    from fathom.model.formats import CACHES, FORMATS
    from fathom.model.program import build_program
    from fathom.weights.checkpoint import open_checkpoint
    from fathom.weights.published import published_config

    for what, found, choices in (("--dtype", dtype, FORMATS), ("--cache-dtype", cache_dtype, CACHES)):
        if found not in ("auto", *choices):
            raise FathomError("choice_unknown", what=what, found=found, known=", ".join(("auto", *choices)))
    stored: dict[str, int] = {}
    format: str = "bfloat16"
    try:
        checkpoint = open_checkpoint(resolve(name))
        config, format = checkpoint.config, "float32" if checkpoint.is_float32 else checkpoint.format
        stored = {tensor: ref.nbytes for tensor, ref in checkpoint.tensors.items()}
    except FathomError as error:
        published = published_config(name)
        if error.code != "model_not_found" or published is None:
            raise
        config = published

    def as_stored(weight: Weight) -> int:
        halves = (f"{weight.name.removesuffix('.weight')}.{half}" for half in ("k_b", "v_b"))  # GGUF's split kv_b_proj
        return stored.get(weight.name) or sum(stored.get(half, 0) for half in halves)

    shape = Shape(name, config, build_program(config), format, as_stored, cache_dtype)
    if stored and dtype == "auto":
        return shape
    return shape.stored_as("bfloat16" if dtype == "auto" else dtype)


def runs(program: Program) -> Iterator[tuple[int, int | None, list[Op]]]:
    """Runs of layers that do the same: (layers, first layer or None, the ops of one of them)."""
    layers = [list(ops) for _, ops in groupby(program.ops, key=lambda op: op.layer)]
    for _, same in groupby(layers, key=lambda ops: [op.signature for op in ops]):
        alike = list(same)
        yield len(alike), alike[0][0].layer, alike[0]


def _flow(op: Op, buffers: dict[str, int]) -> str:
    """What an op reads and writes: ``q, kv_a -> o``; columns stand where it is not the whole buffer."""

    def name(view: View) -> str:
        return view.buffer if view.width == buffers[view.buffer] else str(view)

    if op.inputs == (op.output,):
        return name(op.output)
    return f"{', '.join(map(name, op.inputs)) or 'tokens'} -> {name(op.output)}"


def _weights(op: Op) -> str:
    """Shapes of the matrices, or of the vector where there is none; of an expert's three with their number."""
    matrices = [w for w in op.weights if len(w.shape) == 2] or list(op.weights)
    of = f"{op.attrs['top_k']} of {op.attrs['experts']}: " if op.kind == "experts" else ""
    return of + " ".join("x".join(map(str, w.shape)) for w in (matrices[:3] if of else matrices))


def describe(shape: Shape, context: int, program: bool) -> dict[str, Any]:
    """The same as JSON; with ``program`` every op of every layer."""
    p = shape.program
    summary = {
        "model": shape.name,
        "format": shape.format,
        "config": shape.config.to_dict(),
        "parameters": p.parameters,
        "active_parameters": p.active_parameters,
        "weight_bytes": shape.weight_bytes,
        "cache_bytes_per_token": shape.cache_bytes(1),
        "context": context,
        "bytes_per_token": shape.total(context),
        "flops_per_token": p.flops(context),
    }
    if program:
        summary["ops"] = [
            {
                "name": op.name,
                "kind": op.kind,
                "layer": op.layer,
                "inputs": [str(view) for view in op.inputs],
                "output": str(op.output),
                "weights": {weight.name: list(weight.shape) for weight in op.weights},
                "attrs": op.attrs,
                "bytes": shape.read(op, context),
                "flops": 2 * op.macs(context),
            }
            for op in p.ops
        ]
    return summary


def print_summary(shape: Shape, context: int) -> None:
    c, p = shape.config, shape.program
    cache = {"one": human(shape.cache_bytes(1)), "all": human(shape.cache_bytes(c.max_position_embeddings))}
    rows = [
        ("col.model", f"{shape.name} ({c.model_type}, {shape.format})"),
        ("show.parameters", f"{short(p.parameters)} ({say('show.active', count=short(p.active_parameters))})"),
        ("show.layers", f"{c.num_hidden_layers} x {c.hidden_size}"),
        ("show.attention", say("show.heads", heads=c.num_attention_heads, q=c.q_lora_rank or "-", kv=c.kv_lora_rank)),
        ("show.experts", _experts(c)),
        ("show.vocabulary", f"{c.vocab_size}"),
        ("show.context", f"{c.max_position_embeddings} ({c.rope.type})"),
        ("show.weights", human(shape.weight_bytes)),
        ("show.cache", say("show.cache_line", **cache)),
        ("col.bytes", human(shape.total(context))),
        ("col.flops", short(p.flops(context))),
    ]
    table([("", False), ("", False)], [(say(key), value) for key, value in rows], header=False)


def _experts(c: ModelConfig) -> str:
    layers = sum(map(c.is_moe_layer, range(c.num_hidden_layers)))
    if not layers:
        return say("show.dense")
    fields = {"routed": c.n_routed_experts, "used": c.num_experts_per_tok, "shared": c.n_shared_experts or 0}
    return say("show.experts_line", layers=layers, **fields)


def print_program(shape: Shape, context: int) -> None:
    rows, buffers = [], shape.program.buffers
    for count, first, ops in runs(shape.program):
        layers = "" if first is None else str(first) if count == 1 else f"{first}-{first + count - 1}"
        for op in ops:
            read, flops = shape.read(op, context), 2 * op.macs(context)
            cost = human(read) if read else "", short(flops) if flops else ""
            rows.append(
                (
                    layers,
                    op.local_name,
                    op.kind,
                    _flow(op, buffers),
                    _weights(op),
                    *cost,
                )
            )
            layers = ""
    heads = [(f"col.{column}", False) for column in ("layers", "op", "kind", "flow", "shape")]
    columns = [(say(key), number) for key, number in (*heads, ("col.read", True), ("col.compute", True))]
    total = say("show.total", ops=len(shape.program.ops), parameters=short(shape.program.parameters))
    footer = ("", total, "", "", "", human(shape.total(context)), short(shape.program.flops(context)))
    table(columns, rows, footer=footer)
    emit("\n" + say("show.buffers", buffers=", ".join(f"{name} {width}" for name, width in buffers.items())))
    note(say("show.program_note", format=shape.format, context=context))
