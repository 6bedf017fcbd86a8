"""The gateway under fire: mutated requests of every route it has, before an upstream that answers anything."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from fathom.guard import Masker
from fathom.server.gateway import Settings, create_gateway
from fuzzing import JSON, Sent, check_requests, is_openai_error, mutations
from scripted_upstream import Answer, Upstream, event, stream, whole
from serving import running

TEXT = "我叫张伟，手机号13800138000，邮箱 zhang.wei@corp.example.cn。"
CALL = {"id": "c1", "type": "function", "function": {"name": "send", "arguments": json.dumps({"to": TEXT})}}
TOOL = {"name": "send", "description": TEXT, "parameters": {"type": "object", "properties": {"to": {"type": "string"}}}}
TALK = [
    {"role": "system", "content": TEXT},
    {"role": "user", "content": [{"type": "text", "text": TEXT}, {"type": "text", "text": "👨\u200d👩\u200d👧"}]},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": TEXT},
]
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
BLOCKS = [
    {"type": "text", "text": TEXT},
    {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": TEXT}]},
]
BODIES = [
    ("/v1/chat/completions", {"model": "m", "messages": TALK, "temperature": 0.5, "n": 2, "stop": ["x"]}),
    ("/v1/chat/completions", {"messages": TALK, "stream": True, "tools": [{"type": "function", "function": TOOL}]}),
    (
        "/v1/chat/completions",
        {"messages": [{"role": "user", "content": [PICTURE]}], "response_format": {"type": "text"}},
    ),
    ("/v1/completions", {"model": "m", "prompt": [TEXT, "the cat"], "stream": True, "logprobs": 2}),
    ("/v1/completions", {"prompt": "the cat", "max_tokens": 2}),
    ("/v1/embeddings", {"model": "m", "input": [TEXT, "the cat"]}),
    ("/v1/responses", {"model": "m", "input": [{"role": "user", "content": [{"type": "input_text", "text": TEXT}]}]}),
    ("/v1/responses", {"input": TEXT, "instructions": TEXT, "stream": True, "tools": [{"type": "function", **TOOL}]}),
    (
        "/v1/messages",
        {"model": "m", "max_tokens": 9, "system": TEXT, "messages": [{"role": "user", "content": BLOCKS}]},
    ),
    (
        "/v1/messages",
        {
            "max_tokens": 9,
            "stream": True,
            "system": [{"type": "text", "text": TEXT}],
            "messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "t", "input": {"to": TEXT}}]}],
        },
    ),
]


def anything(path: str, body: dict[str, Any]) -> Answer:
    """What has the request's own text in every place an answer may have one, whole or as events."""
    text = json.dumps(body, ensure_ascii=False)[:300]
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": text}}
    message = {"role": "assistant", "content": text, "tool_calls": [call]}
    block = {"type": "text", "text": text}
    choices = [{"index": 0, "message": message, "delta": message, "text": text, "finish_reason": None}]
    output = [{"type": "message", "content": [{"type": "output_text", "text": text}]}]
    value = {
        "id": "x",
        "choices": choices,
        "content": [block],
        "output": output,
        "type": "message",
        "role": "assistant",
    }
    if not body.get("stream"):
        return whole(value)
    events = [
        event(value),
        event({"type": "content_block_start", "index": 0, "content_block": block}, "content_block_start"),
        event(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
            "content_block_delta",
        ),
        event({"type": "response.output_text.delta", "item_id": "i", "delta": text}, "response.output_text.delta"),
        event("[DONE]"),
    ]
    return stream(events, random.Random(len(text)))


def is_error(answer: Any) -> bool:
    """OpenAI's shape, or Anthropic's."""
    return is_openai_error(answer) or (answer["type"] == "error" and {"type", "message"} <= set(answer["error"]))


@pytest.fixture(scope="module")
def upstream():
    with running(Upstream(anything)) as url:
        yield url + "/v1"


def good_requests():
    return (Sent(path, json.dumps(body).encode(), JSON) for path, body in BODIES)


def test_the_good_requests_are_good(upstream) -> None:
    app = create_gateway(Settings(upstream, attachments="pass"), Masker())
    assert check_requests(app, good_requests(), shape=is_error) == {200: len(BODIES)}


@pytest.mark.parametrize(
    ("count", "seed"), [(300, 1), *(pytest.param(2000, seed, marks=pytest.mark.slow) for seed in range(2, 7))]
)
def test_mutated_requests_crash_nothing(upstream, count, seed) -> None:
    app = create_gateway(Settings(upstream), Masker())
    statuses = check_requests(app, mutations(BODIES, seed, count), shape=is_error)
    assert sum(statuses.values()) == count
    assert {200, 400} <= set(statuses)
