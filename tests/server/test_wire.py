"""Bodies in, errors out: strict JSON, named fields, nothing dropped in silence."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.errors import FathomError
from fathom.server.schemas import ChatRequest, CompletionRequest
from fathom.server.wire import envelope, parse, told

HELLO = [{"role": "user", "content": "hello"}]
LETTERS = 'ab_ \0\n"\\é中😀'
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(LETTERS, max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(LETTERS, max_size=8), inner, max_size=4),
    max_leaves=12,
)


def fault(model, **fields) -> FathomError:
    with pytest.raises(FathomError) as caught:
        parse(model, json.dumps(fields).encode())
    return caught.value


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [*HELLO, {"role": "user", "content": 5}]}, "messages[1].content"),
        ({"messages": [{"role": "user", "content": [{"type": 1}]}]}, "messages[0].content[0].type"),
        ({"messages": HELLO, "temperature": "0.5"}, "temperature"),
        ({"messages": HELLO, "stream": "yes"}, "stream"),
        ({"messages": HELLO, "max_tokens": 1.5}, "max_tokens"),
        ({"messages": HELLO, "max_tokens": True}, "max_tokens"),
        ({"messages": HELLO, "max_tokens": 0}, "max_tokens"),
        ({"messages": HELLO, "n": 0}, "n"),
        ({"messages": HELLO, "top_logprobs": 21}, "top_logprobs"),
        ({"messages": HELLO, "logit_bias": {"7": "x"}}, "logit_bias.7"),
        ({"messages": HELLO, "stop": [1]}, "stop[0]"),
        ({"messages": HELLO, "stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
        ({"messages": HELLO, "tools": [{"type": "function"}]}, "tools[0].function"),
        ({"messages": HELLO, "tools": [{"type": "custom", "function": {"name": "f"}}]}, "tools[0].type"),
        (
            {"messages": HELLO, "tools": [{"type": "function", "function": {"name": "no spaces"}}]},
            "tools[0].function.name",
        ),
        ({"messages": HELLO, "tool_choice": "maybe"}, "tool_choice"),
        ({"messages": HELLO, "response_format": {"type": "xml"}}, "response_format.type"),
    ],
)
def test_a_fault_is_named_as_the_client_wrote_it(fields, param) -> None:
    error = fault(ChatRequest, **fields)
    assert (error.code, error.status, error.param) == ("parameter_invalid", 400, param)


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (CompletionRequest, {"prompt": [1.5] * 100_000}),
        (CompletionRequest, {"prompt": [[1.5] * 100] * 1000}),
        (ChatRequest, {"messages": [{"role": "user", "content": [{"type": 1}] * 1000}] * 100}),
        (ChatRequest, {"messages": HELLO, "tools": [{}] * 500, "stop": [1] * 100_000}),
    ],
)
def test_a_hundred_thousand_faults_cost_no_more_than_one(model, fields) -> None:
    start = time.process_time()
    fault(model, **fields)
    assert time.process_time() - start < 0.5


@pytest.mark.parametrize("prompt", [None, 5, {}, [[]], [[1], "a"], ["a", 1], [True], [1.0], [["a"]]])
def test_a_prompt_is_a_text_texts_ids_or_lists_of_ids(prompt) -> None:
    assert (fault(CompletionRequest, prompt=prompt).param or "").startswith("prompt")


@pytest.mark.parametrize("prompt", ["a", ["a", "b"], [1, 2], [[1], [2, 3]], [], ""])
def test_prompts_of_every_form_come_through_unchanged(prompt) -> None:
    assert parse(CompletionRequest, json.dumps({"prompt": prompt}).encode()).prompt == prompt


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"{'messages': 1}",
        b'{"prompt": "\xff"}',
        b'{"prompt": "\\ud800"}',
        b'{"prompt": "a", "temperature": NaN}',
        b'{"prompt": "a", "seed": 1' + b"0" * 5000 + b"}",
        b'{"prompt": ' + b"[" * 100_000,
        b'{"prompt": ' + b"[" * 500 + b"]" * 500 + b"}",
    ],
)
def test_what_is_no_strict_json_object_is_a_400(body) -> None:
    with pytest.raises(FathomError) as caught:
        parse(CompletionRequest, body)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (ChatRequest, {"audio": {"voice": "x"}}),
        (ChatRequest, {"modalities": ["text", "audio"]}),
        (ChatRequest, {"web_search_options": {}}),
        (ChatRequest, {"prediction": {"type": "content"}}),
        (ChatRequest, {"store": True}),
        (ChatRequest, {"functions": []}),
        (ChatRequest, {"function_call": "auto"}),
        (ChatRequest, {"reasoning_effort": "high"}),
        (CompletionRequest, {"best_of": 2}),
        (CompletionRequest, {"suffix": "x"}),
    ],
)
def test_known_fields_that_would_change_the_answer_are_refused_by_name(model, fields) -> None:
    error = fault(model, messages=HELLO, prompt="a", **fields)
    assert (error.code, error.status, error.param) == ("parameter_unsupported", 400, next(iter(fields)))


def test_known_fields_that_ask_for_nothing_pass_without_a_word() -> None:
    body = {
        "messages": HELLO,
        "store": False,
        "modalities": ["text"],
        "audio": None,
        "user": "u",
        "metadata": {"a": "b"},
    }
    assert told(parse(ChatRequest, json.dumps(body).encode())) == {}


def test_unknown_fields_are_named_with_their_path_and_made_safe_for_a_header() -> None:
    body = {"messages": [{**HELLO[0], "mood": 1}], "zeal": 1, "a\r\nb: ü": 2, "stream_options": {"speed": 1}}
    header = told(parse(ChatRequest, json.dumps(body).encode()))
    assert header == {"x-fathom-ignored": "a??b? ?, messages[].mood, stream_options.speed, zeal"}
    header["x-fathom-ignored"].encode("ascii")


@given(body=st.dictionaries(st.sampled_from([*ChatRequest.model_fields, "functions", "x"]), JSON, max_size=6))
def test_any_json_parses_or_is_a_4xx_of_openais_shape(body) -> None:
    for model in (ChatRequest, CompletionRequest):
        try:
            told(parse(model, json.dumps(body).encode()))
        except FathomError as error:
            status, shape = envelope(error)
            assert 400 <= status < 500
            assert set(shape["error"]) == {"message", "type", "param", "code"}


@given(st.binary(max_size=64))
def test_any_bytes_parse_or_are_a_400(body) -> None:
    try:
        parse(CompletionRequest, body)
    except FathomError as error:
        assert error.status == 400  # noqa: PT017


def test_an_unforeseen_error_tells_the_client_nothing_of_its_text() -> None:
    status, body = envelope(RuntimeError("secret prompt"))
    assert (status, body["error"]["code"]) == (500, "internal")
    assert "secret" not in json.dumps(body)
