"""The program: published parameter counts, one op an official module, FLOPs and bytes that follow from shapes."""

from __future__ import annotations

import pytest

from fathom.config import ModelConfig
from fathom.model import build_program
from fathom.model.formats import CACHES, FORMATS, bytes_of, cache_bytes, scratch_bytes, storage, weight_bytes
from shapes import LITE, V2


@pytest.mark.parametrize(
    ("raw", "total", "active"), [(LITE, 15_706_484_224, 2_451_435_008), (V2, 235_741_434_880, None)]
)
def test_parameter_counts_are_the_published_ones(raw, total, active) -> None:
    program = build_program(ModelConfig.from_dict(raw))
    assert program.parameters == total
    if active:  # published without the embedding table, of which one row is read
        assert program.active_parameters == active + raw["hidden_size"]


def test_v2_lite_has_5291_official_tensors() -> None:
    assert len(build_program(ModelConfig.from_dict(LITE)).weights) == 5291


def test_op_names_are_unique_and_views_lie_inside_their_buffers() -> None:
    program = build_program(ModelConfig.from_dict(V2))
    assert len({op.name for op in program.ops}) == len(program.ops)
    for op in program.ops:
        for view in (*op.inputs, op.output):
            assert view.offset + view.width <= program.buffers[view.buffer]


def test_every_buffer_is_written_before_it_is_read() -> None:
    written: set[str] = set()
    for op in build_program(ModelConfig.from_dict(V2)).ops:
        assert {view.buffer for view in op.inputs} <= written
        written.add(op.output.buffer)


def test_absorbed_attention_costs_more_a_cached_token_than_expanded_and_nothing_else_changes() -> None:
    program = build_program(ModelConfig.from_dict(LITE))
    per_token = {form: program.flops(1001, form) - program.flops(1, form) for form in ("absorbed", "expanded")}
    assert per_token == {"absorbed": 2 * 27 * 1000 * 16 * (576 + 512), "expanded": 2 * 27 * 1000 * 16 * (192 + 128)}
    assert program.flops(0, "absorbed") == program.flops(0, "expanded")


def test_bytes_follow_from_the_format() -> None:
    program = build_program(ModelConfig.from_dict(LITE))
    sizes = [weight_bytes(program, f) for f in FORMATS]
    assert sizes == sorted(sizes, reverse=True)
    assert weight_bytes(program, "bfloat16") == 2 * program.parameters + 2 * sum(
        w.size for w in program.weights.values() if len(w.shape) == 1
    )
    assert cache_bytes(program, 1) == 31_104
    assert [cache_bytes(program, 10, dtype) for dtype in CACHES] == [622_080, 311_040, 160_380]
    assert 8.2 < weight_bytes(program, "int4") / 2**30 < 8.7


def test_scratch_is_of_a_pass_and_hardly_grows_with_threads_or_context() -> None:
    program = build_program(ModelConfig.from_dict(LITE))
    small, large = scratch_bytes(program, 4096, 2), scratch_bytes(program, 163_840, 64)
    assert 300 << 20 < small < large < 500 << 20
    assert scratch_bytes(program, 512, 2) < small / 3


def test_router_norms_and_biases_stay_float_in_every_format() -> None:
    program = build_program(
        ModelConfig.from_dict({"model_type": "deepseek_v3", "num_hidden_layers": 4, "q_lora_rank": 96})
    )
    for w in program.weights.values():
        kind, group = storage(w, "int4", 128)
        assert (kind == "F32") == (w.role in ("router", "norm", "bias"))
        assert bytes_of(w, "int4", 128) > 0
        if group:
            assert w.shape[1] % group == 0
