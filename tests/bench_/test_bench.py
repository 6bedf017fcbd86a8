"""Bytes and arithmetic of a pass follow from the program and from the weights as they are held."""

from __future__ import annotations

import json

import pytest

import fathom.bench.bench
from fathom._native import cpu_features
from fathom.bench import kernels
from fathom.bench.bench import Bench
from fathom.bench.record import write_log
from fathom.llm import LLM
from tiny import write_checkpoint


@pytest.fixture(scope="module")
def llm(tmp_path_factory) -> LLM:
    return LLM(write_checkpoint(tmp_path_factory.mktemp("bench") / "tiny"), threads=2)


@pytest.fixture
def bench(llm, monkeypatch) -> Bench:
    monkeypatch.setattr(fathom.bench.bench, "PATIENCE", 0.0)
    monkeypatch.setattr(fathom.bench.bench, "PROBE_BYTES", 1 << 20)
    monkeypatch.setattr(fathom.bench.bench, "PROBE_SECONDS", 0.001)
    return Bench(llm)


def test_a_step_reads_its_share_of_the_weights_and_the_whole_cache(bench) -> None:
    program, itemsize = bench.llm.program, 4
    context = 100
    expected = {"embedding": 1 / 400, "experts": 2 / 4}
    for op, nbytes in zip(program.ops, bench.bytes_read(context), strict=True):
        weights = itemsize * sum(w.size for w in op.weights) * expected.get(op.kind, 1)
        cache = context * (32 + 16) * itemsize if op.kind == "latent_attention" else 0
        assert nbytes == round(weights) + cache, op.name


def test_more_tokens_touch_more_experts_but_never_more_than_there_are(bench) -> None:
    experts = next(i for i, op in enumerate(bench.llm.program.ops) if op.kind == "experts")
    one, two, many = (bench.bytes_read(1, tokens)[experts] for tokens in (1, 2, 500))
    assert (two, many) == (one * 3 // 2, one * 2)


def test_the_probe_is_no_memory_of_the_model(bench) -> None:
    before = bench.peak_rss_gib
    bench.read()
    assert bench.bandwidth > 0
    if before is not None:
        assert bench.peak_rss_gib >= before


def test_amx_is_compared_with_its_peak_where_there_is_one(bench, monkeypatch) -> None:
    bench.multiply()
    assert (bench.amx_fraction(1, 1.0) is not None) == (cpu_features()["amx_int8"])
    monkeypatch.setattr(bench, "_peaks", [1e3])
    assert bench.amx_fraction(8, 2.0) == 0  # this model is float32


def test_every_op_is_timed_and_rows_add_up(bench, monkeypatch) -> None:
    monkeypatch.setattr(kernels, "LEAST_SECONDS", 0.0)
    result = kernels.measure(bench, tokens=3, context=10, rounds=2)
    rows = result["ops"]
    assert sum(row["count"] for row in rows) == len(bench.llm.program.ops)
    assert sum(row["time_share"] for row in rows) == pytest.approx(1, abs=0.01)
    assert sum(row["bytes"] for row in rows) == result["bytes"]
    assert sum(row["flops"] for row in rows) == result["flops"]
    assert all(row["ms"] >= 0 for row in rows)


def test_attention_of_new_whole_pages_is_expanded() -> None:
    from fathom.config import ModelConfig
    from fathom.model.program import build_program
    from shapes import LITE

    ops = build_program(ModelConfig.from_dict(LITE)).ops
    attention = next(op for op in ops if op.kind == "latent_attention")
    assert kernels._macs(attention, 1, 4096, 4097) == attention.macs(4097)
    assert kernels._macs(attention, 512, 0, 256) == 512 * attention.macs(256, "expanded")
    ragged = 63 * attention.macs(128) + 64 * attention.macs(128, "expanded") + 65 * attention.macs(0)
    assert kernels._macs(attention, 127, 65, 128) == ragged


def test_a_log_grows_by_one_line_an_op(bench, tmp_path) -> None:
    result = {**bench.facts("latency"), "other_cpu_percent": 0.0}
    for _ in range(2):
        write_log(tmp_path / "results.jsonl", result, [("decode", 0.5), ("head", 0.25)])
    rows = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [(row["op"], row["roof_fraction"]) for row in rows] == [("decode", 0.5), ("head", 0.25)] * 2
    assert {"commit", "cpu", "level", "threads", "model", "format", "date"} <= rows[0].keys()
