"""The scripts of one claim run on a tiny model, end with one JSON line, and their arithmetic holds."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest

import fathom.bench.bench
from fathom.bench.bench import Bench
from fathom.bench.kernels import measure
from fathom.bench.requests import Mark, Run, run
from fathom.llm import LLM
from tiny import write_checkpoint

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("claims") / "tiny")


@pytest.fixture(scope="module")
def llm(checkpoint) -> LLM:
    return LLM(checkpoint, threads=2)


@pytest.fixture
def bench(llm, brief) -> Bench:
    return Bench(llm)


@pytest.fixture
def brief(monkeypatch) -> None:
    monkeypatch.setattr(fathom.bench.bench, "PATIENCE", 0.0)
    monkeypatch.setattr(fathom.bench.bench, "PROBE_BYTES", 1 << 20)
    monkeypatch.setattr(fathom.bench.bench, "PROBE_SECONDS", 0.001)


@pytest.fixture
def script(checkpoint, brief, monkeypatch, capsys):
    """Runs a script of bench/ and gives what its last line says."""
    monkeypatch.syspath_prepend(ROOT / "bench")

    def call(name: str, *options: object) -> dict:
        import_module(name).main(["--model", str(checkpoint), "--threads", "2", "--rounds", "2", *map(str, options)])
        *human, last = capsys.readouterr().out.splitlines()
        assert len(human) >= 3
        result = json.loads(last)
        assert result.keys() >= {"bench", "model", "format", "read_gb_s", "quiet", "other_cpu_percent"}
        return result

    return call


def test_together_counts_the_bytes_of_all_requests(script, bench) -> None:
    result = script("together", "--requests", 3, "--prompt-tokens", 70, "--decode-tokens", 8)
    assert result["steps"] >= 2 * 3  # a round; some requests may begin two steps after the first one
    assert result["expected_experts"] == 4 * (1 - 0.5**3)  # 2 of 4, three tokens
    assert 2 <= result["touched_experts"] <= 4
    assert result["bytes_per_step"] == sum(bench.bytes_read(result["context"], sequences=3))
    assert result["roof_fraction"] == pytest.approx(result["tok_s"] / result["roof_tok_s"], abs=0.01)
    assert result["over_alone"] == pytest.approx(result["tok_s"] / result["alone_tok_s"], rel=0.01)


def test_sixteen_tokens_touch_50_8_experts_of_lite() -> None:
    from fathom.config import ModelConfig
    from fathom.model.program import build_program
    from shapes import LITE

    experts = next(op for op in build_program(ModelConfig.from_dict(LITE)).ops if op.kind == "experts")
    assert experts.share_read(16) * 64 == pytest.approx(64 * (1 - (1 - 6 / 64) ** 16)) == pytest.approx(50.8, abs=0.05)


def test_sequences_share_weights_but_no_latents(bench) -> None:
    ops = bench.llm.program.ops
    one, three = bench.bytes_read(100), bench.bytes_read(100, sequences=3)
    for op, a, b in zip(ops, one, three, strict=True):
        if op.kind == "latent_attention":
            assert b - a == 2 * bench.cache_bytes(100) / 2  # of two layers
        elif op.kind not in ("experts", "embedding"):
            assert a == b


def test_neighbour_burns_only_in_its_rounds(script) -> None:
    result = script("neighbour", "--prompt-tokens", 20, "--decode-tokens", 4)
    for kind in ("decode", "prefill"):
        assert result[f"{kind}_ratio"] > 0
        assert result[f"{kind}_tok_s"].keys() == {"quiet", "beside"}
    assert result["neighbour_cores"] is None or result["neighbour_cores"] >= 0


def test_a_shared_prefix_is_found_and_a_fresh_one_is_not(script) -> None:
    result = script("prefix", "--prefix-tokens", 192, "--tail-tokens", 5)
    assert result["cached_tokens"] == 192
    assert result["ttft_ratio"] > 0


def test_the_cache_alone_has_a_roof_of_its_own(bench, monkeypatch) -> None:
    monkeypatch.setattr("fathom.bench.kernels.LEAST_SECONDS", 0.0)
    result = measure(bench, tokens=1, context=640, rounds=3)
    assert result["cache_layer_bytes"] == 640 * (32 + 16) * 4
    assert measure(bench, tokens=1, context=0, rounds=1)["cache_roof_fraction"] is None


def test_requests_are_told_apart_and_answers_complete(bench) -> None:
    done = run(bench, [bench.tokens(5, seed=i) for i in range(2)], 6)
    assert [sum(mark.request == i for mark in done.marks) for i in range(2)] == [6, 6]
    assert len(done.steps()) == 5
    assert all(took >= outside for took, outside in done.steps())


def test_only_steps_of_all_requests_count() -> None:
    order = [0, 0, 1, 0, 1, 0, 1, 1]  # the second begins a step later, the first ends a step earlier
    marks = tuple(Mark(request, float(at), 0.5 * at) for at, request in enumerate(order))
    done = Run(0.0, marks, (None, None), None)  # type: ignore[arg-type]
    assert done.steps() == [(2.0, 1.0), (2.0, 1.0)]
