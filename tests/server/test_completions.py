"""What evaluation harnesses need of /v1/completions: scores of prompts, one entry a token, whatever comes after."""

from __future__ import annotations

from typing import Any

import httpx
import numpy as np
import pytest

from fathom.llm import LLM
from fathom.server import create_app
from serving import running

END = 1


@pytest.fixture(scope="module")
def llm(checkpoint) -> LLM:
    return LLM(checkpoint)


@pytest.fixture(scope="module")
def http(llm):
    with running(create_app(llm, model_name="tiny")) as url, httpx.Client(base_url=url) as client:
        yield client


def scored(http: httpx.Client, prompts: list[list[int]], **options: Any) -> list[dict[str, Any]]:
    """The choices in order, asked for as lm-evaluation-harness' ``local-completions`` does."""
    asked = {"temperature": 0, "max_tokens": 1, "logprobs": 1, "seed": 1234, "echo": True, **options}
    reply = http.post("/v1/completions", json={"model": "tiny", "prompt": prompts, **asked})
    assert reply.status_code == 200, reply.text
    return sorted(reply.json()["choices"], key=lambda choice: choice["index"])


@pytest.mark.parametrize("max_tokens", [0, 1])
@pytest.mark.parametrize("bias", [{}, {str(END): 100}, {"40": 100}])
def test_every_token_of_every_prompt_has_its_score_and_the_likeliest_beside_it(http, llm, max_tokens, bias) -> None:
    texts = ("the cat sat on the mat", "the rat", "中文 and bytes")
    prompts = [llm.tokenizer.encode(text, add_bos=True) for text in texts]
    choices = scored(http, prompts, max_tokens=max_tokens, logit_bias=bias)
    assert [choice["index"] for choice in choices] == [0, 1, 2]
    for ids, choice in zip(prompts, choices, strict=True):
        columns = choice["logprobs"]
        assert {len(column) for column in columns.values()} == {len(ids) + max_tokens}
        assert (columns["token_logprobs"][0], columns["top_logprobs"][0]) == (None, None)
        logits = llm.logits(ids).astype(np.float64)
        for i in range(1, len(ids)):
            row = logits[i - 1]
            expected = row[ids[i]] - row.max() - np.log(np.exp(row - row.max()).sum())
            logprob, best = columns["token_logprobs"][i], max(columns["top_logprobs"][i].values())
            assert logprob == pytest.approx(expected, abs=1e-3)
            assert (logprob == best) == (ids[i] == row.argmax())  # so harnesses tell greedy continuations


def test_an_end_token_is_the_last_entry_and_no_part_of_the_text(http, llm) -> None:
    ids = llm.tokenizer.encode("the cat")
    (choice,) = scored(http, [ids], logit_bias={str(END): 100}, max_tokens=5)
    assert (choice["text"], choice["finish_reason"]) == ("the cat", "stop")
    assert choice["logprobs"]["tokens"][-1] == llm.tokenizer.controls[END]
    assert choice["logprobs"]["text_offset"][-1] == len("the cat")
    assert choice["logprobs"]["token_logprobs"][-1] <= max(choice["logprobs"]["top_logprobs"][-1].values())
