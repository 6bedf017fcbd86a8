"""Sampling parameters are checked; the sampler follows its order, keeps its support exact and repeats by seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fathom.engine.sampling import Sampler, SamplingParams, top_logprobs
from fathom.errors import FathomError

LOGITS = np.array([1.0, 3.0, 2.0, 3.0, -1.0, 0.5], np.float32)


def draws(count: int, logits: np.ndarray = LOGITS, mask: np.ndarray | None = None, **params: Any) -> np.ndarray:
    sampler = Sampler(SamplingParams(**{"seed": 1, **params}), len(logits))
    return np.bincount([sampler.sample(logits, mask).id for _ in range(count)], minlength=len(logits))


def first(logits: np.ndarray = LOGITS, prompt: tuple[int, ...] = (), **params: Any) -> int:
    return Sampler(SamplingParams(temperature=0, **params), len(logits), prompt).sample(logits).id


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("temperature", bad) for bad in (-1, 101, float("nan"), float("inf"), 10**400, "0.7", True, None, [1])],
        *[("top_p", bad) for bad in (0, 1.01, -0.1, float("nan"), "1")],
        *[("top_k", bad) for bad in (-1, 1.5, True, None)],
        *[("min_p", bad) for bad in (-0.1, 1.1)],
        *[("repetition_penalty", bad) for bad in (0, -1)],
        *[("presence_penalty", bad) for bad in (2.1, -2.1)],
        *[("n", bad) for bad in (0, 129, True)],
        *[("seed", bad) for bad in (2**64, -(2**63) - 1, 1.0)],
        *[("max_tokens", bad) for bad in (-1, "5")],
        *[("logprobs", bad) for bad in (-1, 21, True)],
        *[("stop", bad) for bad in ("", [""], [1], 7, ["x"] * 17)],
        *[("stop_token_ids", bad) for bad in ([-1], ["a"], 5)],
        *[("logit_bias", bad) for bad in ([1], {"5": 1}, {-1: 1}, {1: 101}, {1: "x"}, {1: float("nan")})],
        *[("ignore_eos", bad) for bad in (1, "yes")],
        *[("regex", bad) for bad in (1, ["a"])],
    ],
)
def test_bad_values_are_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(FathomError) as caught:
        SamplingParams(**{field: value})
    assert caught.value.code == "parameter_invalid"
    assert caught.value.param == field


def test_one_grammar_at_a_time() -> None:
    with pytest.raises(FathomError, match="regex: can't be used together with json_object"):
        SamplingParams(json_object=True, regex="a")
    assert SamplingParams(choice=["a", "b"]).constraints() == ["choice"]
    assert SamplingParams(json_schema=True).constraints() == ["json_schema"]
    assert SamplingParams(stop="x").stop == ("x",)


def test_temperature_zero_and_top_k_one_are_greedy_and_equals_go_to_the_lowest_id() -> None:
    assert first() == 1
    assert draws(20, top_k=1)[1] == 20
    assert draws(20, temperature=1e-30)[[1, 3]].sum() == 20, "a tiny temperature does not overflow"


def test_draws_follow_the_softmax() -> None:
    share = np.exp(LOGITS / 0.7) / np.exp(LOGITS / 0.7).sum()
    assert np.abs(draws(20_000, temperature=0.7) / 20_000 - share).max() < 0.012  # 3.4 standard deviations


def test_the_kept_head_is_renormalised() -> None:
    counts = draws(20_000, top_k=3) / 20_000
    share = np.exp(LOGITS) * [0, 1, 1, 1, 0, 0]
    assert np.abs(counts - share / share.sum()).max() < 0.012


def test_penalties() -> None:
    logits = np.array([2.0, 1.9, -1.0, -1.1], np.float32)
    assert first(logits, prompt=(0,), repetition_penalty=1.1) == 1, "positive logits are divided"
    assert first(np.array([-1.0, -1.05], np.float32), prompt=(0,), repetition_penalty=1.1) == 1, (
        "negative ones multiplied"
    )
    sampler = Sampler(SamplingParams(temperature=0, presence_penalty=0.2), 4, prompt=(0,))
    assert [sampler.sample(logits).id for _ in range(3)] == [0, 1, 0], "presence looks at the answer only, once"
    sampler = Sampler(SamplingParams(temperature=0, frequency_penalty=0.2), 4)
    assert [sampler.sample(logits).id for _ in range(4)] == [0, 1, 0, 1], "frequency grows with each use"


def test_end_tokens_are_never_penalised() -> None:
    logits = np.array([2.0, 1.9], np.float32)
    sampler = Sampler(SamplingParams(temperature=0, repetition_penalty=2, presence_penalty=2), 2, (0,), exempt=(0,))
    assert [sampler.sample(logits).id for _ in range(3)] == [0, 0, 0]


def test_bias_and_mask() -> None:
    assert first(logit_bias={5: 10.0}) == 5
    mask = np.array([True, False, True, False, True, False])
    assert set(np.flatnonzero(draws(200, mask=mask, logit_bias={1: 100.0}))) <= {0, 2, 4}
    with pytest.raises(FathomError) as caught:
        first(logit_bias={6: 1.0})
    assert caught.value.code == "token_out_of_range"


def test_a_seed_repeats_a_text_and_samples_of_one_request_differ() -> None:
    def run(seed: int | None, index: int = 0) -> list[int]:
        sampler = Sampler(SamplingParams(seed=seed), 6, index=index)
        return [sampler.sample(LOGITS).id for _ in range(40)]

    assert run(7) == run(7) == [run(7)[0], *run(7)[1:]]
    assert run(-7) == run(2**64 - 7)
    assert len({tuple(run(seed, index)) for seed, index in ((7, 0), (7, 1), (8, 0))}) == 3
    assert run(None) != run(None)


def test_logprobs_are_those_of_the_raw_logits() -> None:
    raw = LOGITS.astype(np.float64) - np.log(np.exp(LOGITS.astype(np.float64)).sum())
    params = SamplingParams(temperature=0, logit_bias={4: 50.0}, logprobs=3)
    sampled = Sampler(params, 6).sample(LOGITS)
    assert sampled.id == 4
    assert sampled.logprob == pytest.approx(raw[4])
    assert [token for token, _ in sampled.top] == [1, 3, 2]
    assert [value for _, value in sampled.top] == pytest.approx([raw[1], raw[3], raw[2]])
    assert Sampler(SamplingParams(), 6).sample(LOGITS).logprob is None
    assert top_logprobs(LOGITS, 0, 0)[1] == ()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_no_numbers_are_an_error(value: float) -> None:
    with pytest.raises(FathomError) as caught:
        first(np.array([0.0, value], np.float32))
    assert caught.value.code == "not_finite"


def test_the_logits_stay_as_they_are() -> None:
    before = LOGITS.copy()
    draws(3, repetition_penalty=2.0, frequency_penalty=1.0, presence_penalty=1.0, logit_bias={0: 5}, top_p=0.9)
    assert np.array_equal(LOGITS, before)
