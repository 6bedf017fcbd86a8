"""Sums of log-probabilities through the engine are those of the model's logits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import tiny
from fathom import LLM
from fathom.errors import FathomError
from fathom.eval.likelihood import begin_token, loglikelihoods


@pytest.fixture(scope="module")
def llm() -> LLM:
    return LLM(max_context=96)


def direct(llm: LLM, context: list[int], continuation: list[int]) -> tuple[float, bool]:
    ids = [*context, *continuation]
    rows = llm.logits(ids)[len(context) - 1 : -1].astype(np.float64)
    logs = rows - rows.max(1, keepdims=True)
    logs -= np.log(np.exp(logs).sum(1, keepdims=True))
    return float(logs[np.arange(len(continuation)), continuation].sum()), bool((logs.argmax(1) == continuation).all())


def test_the_sum_is_that_of_the_logits_whatever_the_company(llm: LLM) -> None:
    encode = llm.tokenizer.encode
    texts = [("The sky is", " blue."), ("今天天气", "很好，我们去公园。"), ("Once", " upon a time " * 20), ("a", "b")]
    pairs = [(encode(a, add_bos=True), encode(b)) for a, b in texts] * 20  # more than one batch
    found = loglikelihoods(llm, pairs)
    for (total, greedy), pair in zip(found[:4], pairs, strict=False):
        expected, expected_greedy = direct(llm, *pair)
        assert total == pytest.approx(expected, abs=1e-4)
        assert greedy is expected_greedy
    assert found == found[:4] * 20


def test_what_greedy_decoding_writes_is_greedy(llm: LLM) -> None:
    prompt = llm.tokenizer.encode("The capital of", add_bos=True)
    written = list(llm.generate(prompt, temperature=0.0, repetition_penalty=1.0, max_tokens=8)[0].token_ids)
    other = [written[0] + 1, *written[1:]]
    (_, same), (_, changed) = loglikelihoods(llm, [(prompt, written), (prompt, other)])
    assert (same, changed) == (True, False)


def test_an_empty_context_is_the_beginning_of_a_text(llm: LLM) -> None:
    ids = llm.tokenizer.encode("Good morning.")
    without, with_bos = loglikelihoods(llm, [([], ids), ([begin_token(llm)], ids)])
    assert without == with_bos
    assert loglikelihoods(llm, [([], []), ([5], [])]) == [(0.0, True)] * 2
    assert loglikelihoods(llm, []) == []


def test_a_text_begins_with_bos_else_after_an_end_and_else_nowhere(tmp_path: Path) -> None:
    foreign = tiny.spec().replace("begin▁of▁sentence", "start▁of▁sentence")
    for changed, config, begin in (
        (tiny.spec(), tiny.CONFIG, 0),
        (foreign, tiny.CONFIG, 1),
        (foreign.replace("end▁of▁sentence", "stop▁of▁sentence"), {**tiny.CONFIG, "eos_token_id": None}, None),
    ):
        folder = tiny.write_checkpoint(tmp_path)
        (folder / "tokenizer.json").write_text(changed, "utf-8")
        (folder / "config.json").write_text(json.dumps(config), "utf-8")
        if begin is not None:
            assert begin_token(LLM(folder)) == begin
            continue
        with pytest.raises(FathomError, match="no token that begins or ends a text"):
            loglikelihoods(LLM(folder), [([], [5])])


def test_a_long_context_loses_its_first_tokens_and_a_long_continuation_is_refused(llm: LLM) -> None:
    ids = [100 + i for i in range(200)]
    long, cut = loglikelihoods(llm, [(ids, ids[:10]), (ids[-86:], ids[:10])])
    assert long == cut
    loglikelihoods(llm, [([], ids[:95])])
    with pytest.raises(FathomError, match="context of 96"):
        loglikelihoods(llm, [([], ids[:96])])


def test_ids_that_are_none_are_refused(llm: LLM) -> None:
    for bad in ([llm.config.vocab_size], [-1], ["a"], [True], [1.5]):
        with pytest.raises(FathomError):
            loglikelihoods(llm, [([5], bad)])  # type: ignore[list-item]


def test_progress_counts_tokens_to_the_end(llm: LLM) -> None:
    seen: list[tuple[int, int]] = []
    loglikelihoods(llm, [([5], [6, 7])] * 70, report=lambda done, total: seen.append((done, total)))
    assert seen == [(192, 210), (210, 210)]
