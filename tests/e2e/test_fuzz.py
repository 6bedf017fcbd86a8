"""The API under fire: mutated requests and whatever its OpenAPI document allows or forbids; no 5xx, bounded memory."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator

import pytest

from fathom.llm import LLM
from fathom.server import create_app
from fuzzing import JSON, Sent, check_document, check_requests, mutations
from serving import write_checkpoint

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"enum": ["Paris", "Oslo"]}, "days": {"type": "integer", "maximum": 9}},
            "required": ["city"],
        },
    },
}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo", "days": [1]}'}}
TALK = [
    {"role": "system", "content": "be brief"},
    {
        "role": "user",
        "content": [{"type": "text", "text": "the cat"}, {"type": "text", "text": "今天 👨\u200d👩\u200d👧"}],
    },
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "rain"},
    {"role": "user", "name": "me", "content": "and the rat?"},
]
SCHEMA = {"name": "s", "schema": TOOL["function"]["parameters"], "strict": True}
SAMPLING = {
    **{"temperature": 0.7, "top_p": 0.9, "top_k": 20, "min_p": 0.1, "seed": 3, "n": 2, "stop": ["mat", "rat"]},
    **{"logit_bias": {"20": 5, "21": -100}, "presence_penalty": 0.5, "frequency_penalty": -0.5, "max_seconds": 5.5},
    **{"repetition_penalty": 1.1, "cache_salt": "s", "user": "u", "ignore_eos": False},
}
CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
BODIES = [
    (CHAT, {"messages": TALK, "max_tokens": 2}),
    (CHAT, {"messages": TALK[1:2], "max_tokens": 2, **SAMPLING, "logprobs": True, "top_logprobs": 2, "model": "tiny"}),
    (CHAT, {"messages": TALK, "max_completion_tokens": 3, "tools": [TOOL], "tool_choice": "auto", "stream": True}),
    (
        CHAT,
        {"messages": TALK, "max_tokens": 9, "tools": [TOOL], "tool_choice": "required", "parallel_tool_calls": False},
    ),
    (CHAT, {"messages": TALK, "max_tokens": 9, "response_format": {"type": "json_schema", "json_schema": SCHEMA}}),
    (CHAT, {"messages": TALK, "max_tokens": 2, "stream": True, "stream_options": {"include_usage": True}}),
    (COMPLETIONS, {"prompt": "the cat sat", "max_tokens": 3, **SAMPLING, "echo": True, "logprobs": 2}),
    (COMPLETIONS, {"prompt": ["the cat", "今天"], "max_tokens": 2, "stream": True, "return_token_ids": True}),
    (COMPLETIONS, {"prompt": [[20, 21, 22], [30]], "max_tokens": 2, "n": 2}),
    (COMPLETIONS, {"prompt": "a", "max_tokens": 5, "regex": "(the|a) [a-z]{1,3}"}),
    (COMPLETIONS, {"prompt": "a", "max_tokens": 5, "grammar": 'start: "a" b*\nb: /[0-9]+/'}),
    (COMPLETIONS, {"prompt": "a", "max_tokens": 5, "choice": ["yes", "no"]}),
    ("/tokenize", {"content": "the <｜User｜> cat", "add_special": True, "parse_special": True}),
    ("/detokenize", {"tokens": [20, 21, 300]}),
    ("/api/v1/mask", {"text": ["我叫张伟，电话13800138000", "a"], "operator": "surrogate", "threshold": 0.5}),
    (
        "/api/v1/mask",
        {
            "text": "我叫张伟，工号 ab-12",
            "types": ["PERSON", "CUSTOM"],
            "operator": {"PERSON": "hash"},
            "dictionary": {"阿三": "PERSON"},
            "patterns": {"[a-z]+-[0-9]+": "CUSTOM"},
            "allow": ["李四"],
            "key": "0123456789abcdef",
        },
    ),
    ("/api/v1/unmask", {"text": ["⟦PERSON_1⟧", "b"], "vault": {"⟦PERSON_1⟧": "张伟"}}),
]
FATTEST_MB = 400  # that thousands of bad requests may add to a process that has answered its first ones


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    return create_app(
        LLM(write_checkpoint(tmp_path_factory.mktemp("tiny")), max_context=1024), model_name="tiny", local_only=False
    )


def good_requests() -> Iterator[Sent]:
    return (Sent(path, json.dumps(body).encode(), JSON) for path, body in BODIES)


def test_the_good_requests_are_good(app) -> None:
    assert check_requests(app, good_requests()) == {200: len(BODIES)}


@pytest.mark.parametrize("examples", [12, pytest.param(200, marks=pytest.mark.slow)])
def test_whatever_the_document_allows_or_forbids_is_answered(app, examples) -> None:
    calls = check_document(app, examples)
    assert min(calls[f"POST {path}"] for path, _ in BODIES) >= examples


@pytest.mark.parametrize(("count", "seed"), [(500, 1), pytest.param(10_000, 2, marks=pytest.mark.slow)])
def test_mutated_requests_crash_nothing_and_memory_is_bounded(tmp_path, count, seed) -> None:
    """In a process of its own, whose memory is its own too."""
    command = [sys.executable, __file__, str(write_checkpoint(tmp_path / "tiny")), str(count), str(seed)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads(done.stdout)
    assert sum(told["statuses"].values()) == count
    assert {"200", "400"} <= set(told["statuses"])
    assert told["grown_mb"] < FATTEST_MB


def main(checkpoint: str, count: str, seed: str) -> None:
    app = create_app(LLM(checkpoint, max_context=1024), model_name="tiny")
    check_requests(app, good_requests())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    statuses = check_requests(app, mutations(BODIES, int(seed), int(count)))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before  # KiB; the peak, not what is left
    print(json.dumps({"statuses": statuses, "grown_mb": grown / 1024}))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
