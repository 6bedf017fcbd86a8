"""What the machine is, what models need, and a refusal where one cannot fit."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from fathom.machine import Memory


def test_machine_and_family_as_json(fathom) -> None:
    facts = json.loads(fathom("doctor", "--json").out)
    assert facts["cpu"]["level"] in facts["cpu"]["levels"]
    assert facts["cpu"]["levels"][-1] == "portable"
    assert facts["cpu"]["cores"] >= 1
    assert 0 < facts["memory"]["available"] <= facts["memory"]["total"]
    lite = next(m for m in facts["family"] if m["name"] == "DeepSeek-V2-Lite")
    assert lite["needs"]["int4"] < lite["needs"]["int8"] < lite["needs"]["bfloat16"]


def test_needs_add_up_and_grow_with_the_context(fathom, mini) -> None:
    short, long = (json.loads(fathom("doctor", "-m", mini, "--context", n, "--json").out) for n in ("64", "4096"))
    needs = long["needs"]
    assert needs["total"] == needs["weights"] + needs["cache"] + needs["scratch"]
    assert needs["cache"] == 64 * short["needs"]["cache"]
    assert long["fits"]


def test_an_int8_cache_needs_half_of_a_bfloat16_one(fathom) -> None:
    asked = ("doctor", "-m", "DeepSeek-V2-Lite", "--dtype", "int4", "--json", "--cache-dtype")
    auto, bfloat16, int8 = (json.loads(fathom(*asked, c).out)["needs"] for c in ("auto", "bfloat16", "int8"))
    assert auto == bfloat16
    assert 0.5 < int8["cache"] / bfloat16["cache"] < 0.52
    assert int8["weights"] == bfloat16["weights"]


def test_context_beyond_the_model_is_told(fathom, mini) -> None:
    assert fathom("doctor", "-m", mini, "--context", "4096").err == ""
    assert "4096 tokens of context at most" in fathom("doctor", "-m", mini, "--context", "4097").err


def test_model_that_cannot_fit_is_refused_with_the_figure(fathom, monkeypatch) -> None:
    monkeypatch.setattr("fathom.machine.memory", lambda: Memory(16 << 30, 14 << 30, limited=False))
    done = fathom("doctor", "-m", "DeepSeek-V2-Lite", "--dtype", "bfloat16")
    assert done.code == 1
    assert "GiB of memory, 14 GiB are available" in done.err
    assert done.err.count("\n") == 1
    assert fathom("doctor", "-m", "DeepSeek-V2-Lite", "--dtype", "int4").code == 0


def test_table_in_both_languages(fathom, monkeypatch) -> None:
    assert "* fits here" in fathom("doctor").out
    monkeypatch.setenv("FATHOM_LANG", "zh")
    assert "可在本机运行" in fathom("doctor").out


def test_unknown_instruction_level_is_named() -> None:
    env = {**os.environ, "FATHOM_CPU": "mmx", "FATHOM_LANG": "en"}
    done = subprocess.run(
        [sys.executable, "-m", "fathom.cli", "doctor"], env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("fathom: FATHOM_CPU: ")
    assert "'mmx'" in done.stderr
