"""Figures are all there and agree with each other; how large they are is no test's business."""

from __future__ import annotations

import json

import pytest

import fathom.bench.bench
import fathom.bench.kernels
from fathom.weights.published import published_models
from tiny import CONFIG

SHORT = ("--prompt-tokens", "20", "--decode-tokens", "3", "--rounds", "1")
SERVE = ("ttft", "tpot", "itl", "e2el")
LATENCY = {
    *("prefill_tok_s", "decode_tok_s", "ttft_ms", "tpot_ms", "read_gb_s", "decode_roof_tok_s", "decode_roof_fraction"),
    *("amx_fraction", "peak_rss_gib", "python_us_per_step", "other_cpu_percent", "model", "format", "threads", "level"),
    *("cpu", "context", "bytes_per_step", "quiet"),
}


@pytest.fixture(autouse=True)
def impatient(monkeypatch) -> None:
    """Nobody waits for a quiet machine; a dummy of a few kilobytes is published."""
    monkeypatch.setattr(fathom.bench.bench, "PATIENCE", 0.0)
    monkeypatch.setattr(fathom.bench.bench, "PROBE_BYTES", 8 << 20)
    monkeypatch.setattr(fathom.bench.bench, "PROBE_SECONDS", 0.01)
    monkeypatch.setattr(fathom.bench.kernels, "LEAST_SECONDS", 0.0)
    monkeypatch.setitem(published_models(), "Tiny", CONFIG)


def test_latency_ends_with_one_json_line_whose_figures_agree(fathom, mini) -> None:
    done = fathom("bench", "latency", "-m", mini, *SHORT, "--threads", "2", "--json")
    assert done.code == 0
    result = json.loads(done.out.splitlines()[-1])
    assert result.keys() >= LATENCY
    assert result["prefill_tok_s"] == pytest.approx(20e3 / result["ttft_ms"], rel=0.01)
    assert result["decode_tok_s"] == pytest.approx(1e3 / result["tpot_ms"], rel=0.01)
    assert result["decode_roof_tok_s"] == pytest.approx(1e9 * result["read_gb_s"] / result["bytes_per_step"], rel=0.02)
    assert result["decode_roof_fraction"] == pytest.approx(
        result["decode_tok_s"] / result["decode_roof_tok_s"], rel=0.02, abs=0.001
    )
    assert 0 < result["python_us_per_step"] < 1e3 * result["tpot_ms"] * 3
    assert (result["threads"], result["context"], result["quiet"]) == (2, 22, False)
    assert "measured all the same" in done.err


@pytest.mark.parametrize("format", ["float32", "int8", "int4"])
def test_latency_of_a_dummy_reads_fewer_bytes_the_smaller_the_format(fathom, format) -> None:
    done = fathom("bench", "latency", "--dummy", "Tiny", "--format", format, *SHORT, "--json")
    result = json.loads(done.out)
    assert (result["model"], result["format"]) == ("Tiny", format)
    wanted = {"float32": (4.0, 4.1), "int8": (1.0, 2.2), "int4": (0.5, 1.7)}[format]
    from fathom.config import ModelConfig
    from fathom.model.program import build_program

    active = build_program(ModelConfig.from_dict(CONFIG)).active_parameters
    cache = 22 * 2 * (32 + 16) * (4 if format == "float32" else 2)
    assert wanted[0] <= (result["bytes_per_step"] - cache) / active <= wanted[1]


def test_tables_are_for_people(fathom, tmp_path) -> None:
    log = tmp_path / "results.jsonl"
    lines = fathom("bench", "latency", "--dummy", "Tiny", *SHORT, "--log", log).out.splitlines()
    assert {"model", "machine", "prefill", "decode", "roof"} <= {line.split()[0] for line in lines}
    lines = fathom(
        "bench", "kernels", "--dummy", "Tiny", "--rounds", "1", "--context", "9", "--log", log
    ).out.splitlines()
    assert lines[0].split() == ["op", "kind", "count", "ms", "time", "bytes", "FLOPs", "GB/s", "of", "roof"]
    assert any(line.startswith("mlp.experts") for line in lines)
    ops = [json.loads(line)["op"] for line in log.read_text().splitlines()]
    assert ops[0] == "decode"
    assert "lm_head" in ops


def test_depth_has_a_row_for_every_depth(fathom) -> None:
    call = ("bench", "depth", "--dummy", "Tiny", "--decode-tokens", "2", "--rounds", "1")
    rows = json.loads(fathom(*call, "--depths", "70,0", "--json").out)["depths"]
    assert [row["depth"] for row in rows] == [0, 70]
    assert rows[0]["decode_roof_tok_s"] > rows[1]["decode_roof_tok_s"]
    assert all(row["prefill_tok_s"] > 0 and row["decode_tok_s"] > 0 for row in rows)
    table = fathom(*call).out.splitlines()
    assert [line.split()[0] for line in table[:3]] == ["depth", "0", "1024"]  # 4096 is beyond this model


def test_serve_loads_a_server_of_its_own_and_ends_with_one_json_line(fathom) -> None:
    short = ("--requests", "3", "--concurrency", "2", "--prompt-tokens", "20", "--decode-tokens", "3")
    done = fathom("bench", "serve", "--dummy", "Tiny", "--format", "float32", *short, "--json")
    assert done.code == 0, done.err
    result = json.loads(done.out.splitlines()[-1])
    assert (result["model"], result["completed"], result["total_output_tokens"]) == ("Tiny-float32", 3, 9)
    assert result.keys() >= {f"{kind}_{of}_ms" for kind in ("mean", "median", "p99") for of in SERVE}
    assert result["rss_end_mib"] is None or result["rss_end_mib"] > 0


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (("--requests", "3", "--seconds", "1"), 2, "--seconds"),
        (("--url", "127.0.0.1:80"), 2, "127.0.0.1:80"),
        (("--url", "http://127.0.0.1:1", "--format", "int8"), 2, "--format"),
        (("--url", "http://127.0.0.1:1/v1/"), 1, "http://127.0.0.1:1: "),
        (("-m", "nowhere/none"), 1, "nowhere/none"),
        (("--concurrency", "0"), 2, "--concurrency"),
    ],
)
def test_a_load_that_can_not_be_put_on_a_server_is_one_line(fathom, arguments, code, named) -> None:
    done = fathom("bench", "serve", *arguments)
    assert (done.code, done.out) == (code, "")
    assert named in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (("depth", "--depths", "0,a"), 2, "--depths"),
        (("depth", "--depths", "1900"), 2, "2412"),
        (("latency", "--prompt-tokens", "5000"), 2, "max_context"),
        (("latency", "--format", "int3"), 2, "int3"),
        (("latency", "--log", "/nowhere/results.jsonl"), 1, "/nowhere/results.jsonl"),
        (("latency", "--rounds", "0"), 2, "--rounds"),
    ],
)
def test_what_cannot_be_measured_is_said_before_any_work(fathom, arguments, code, named) -> None:
    done = fathom("bench", *arguments, "--dummy", "Tiny")
    assert (done.code, done.out) == (code, "")
    assert named in done.err
    assert done.err.count("\n") == 1
