"""float32 logits of both executors on every family, whichever way the attention is computed and the prompt is cut."""

from __future__ import annotations

import numpy as np
import pytest

from fathom import LLM
from parity.cases import CONFIGS, case
from parity.executors import EXECUTORS
from parity.truth import TOLERANCE

FAMILIES = ("v2_lite", "v2", "v3", "glm4_moe_lite")  # one of each attention and routing


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("name", CONFIGS)
def test_logits_equal_the_official_ones(name, executor, folder, truth):
    got = EXECUTORS[executor](folder(name), case(name).tokens)
    assert got.dtype == np.float32
    assert np.abs(got - truth(name)).max() < TOLERANCE


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("form", ["absorbed", "expanded"])
@pytest.mark.parametrize("name", FAMILIES)
def test_absorbed_and_expanded_attention_are_equal(name, form, executor, folder, truth):
    got = EXECUTORS[executor](folder(name), case(name).tokens, (), form)
    assert np.abs(got - truth(name)).max() < TOLERANCE


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("cuts", [(64,), (1, 2, 3, 70), (63, 64, 65, 128, 149)], ids=str)
@pytest.mark.parametrize("name", FAMILIES)
def test_chunks_and_single_tokens_over_the_cache_are_equal(name, cuts, executor, folder, truth):
    """Cuts at, before and behind a page of 64 tokens; spans of one token are decode steps."""
    got = EXECUTORS[executor](folder(name), case(name).tokens, cuts, "absorbed" if len(cuts) == 4 else "expanded")
    assert np.abs(got - truth(name)).max() < TOLERANCE


def test_the_public_face_gives_them_too(folder, truth):
    """A folder without a tokenizer loads; no BOS is added."""
    prompt = case("v3").tokens[0].tolist()
    got = LLM(folder("v3"), dtype="float32").logits(prompt)
    assert (got.shape, got.dtype) == ((150, 512), np.float32)
    assert np.abs(got - truth("v3")[0]).max() < TOLERANCE
    rounded = LLM(folder("v3"), dtype="bfloat16").logits(prompt)  # bfloat16 latents flip an expert here and there
    assert np.mean(rounded.argmax(-1) == truth("v3")[0].argmax(-1)) > 0.9


@pytest.mark.parametrize("executor", EXECUTORS)
def test_token_by_token_equals_the_whole_prompt(executor, folder, truth):
    got = EXECUTORS[executor](folder("v2"), case("v2").tokens[:, :80], tuple(range(1, 80)), "absorbed")
    assert np.abs(got - truth("v2")[:, :80]).max() < TOLERANCE
