"""Every route: bad input is a 4xx in OpenAI's shape, the queue is bounded, who leaves is not worked for."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.guard.limits import Limits
from fathom.llm import LLM
from fathom.server import create_app
from fathom.server.schemas import ChatRequest, CompletionRequest
from serving import running, write_checkpoint

HELLO = [{"role": "user", "content": "the cat"}]
GENERATING = {
    "/v1/chat/completions": {"messages": HELLO, "max_tokens": 2},
    "/v1/completions": {"prompt": "the cat", "max_tokens": 2},
}
POSTS = {**GENERATING, "/tokenize": {"content": "the cat"}, "/detokenize": {"tokens": [20, 21]}}
LETTERS = 'ab_ \0\n"\\é中😀'
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 300)
    | st.floats(-3, 3)
    | st.text(LETTERS, max_size=4)
    | st.sampled_from(["user", "text"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "type", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def llm(checkpoint) -> LLM:
    return LLM(checkpoint)


@pytest.fixture(scope="module")
def http(llm):
    with (
        running(create_app(llm, model_name="tiny", limits=Limits(body_bytes=100_000))) as url,
        httpx.Client(base_url=url) as client,
    ):
        yield client


def in_shape(reply: httpx.Response, status: int | None = None, code: str | None = None) -> bool:
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert isinstance(error["message"], str)
    assert "\n" not in error["message"]
    assert "Traceback" not in reply.text
    assert reply.headers["x-request-id"]
    return (status is None or reply.status_code == status) and (code is None or error["code"] == code)


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", {}, 400),
        (b"{", {}, 400),
        (b"[]", {}, 400),
        (b"{}", {}, 400),
        (b'{"a": "\xff"}', {}, 400),
        (b'{"prompt": "\\udc00", "content": "\\udc00", "tokens": ["\\udc00"], "messages": "\\udc00"}', {}, 400),
        (b'{"a": ' * 50_000, {}, 413),
        (b'{"a": ' * 10_000, {}, 400),
        (b"{}", {"content-type": "text/plain"}, 400),
        (b"a=b", {"content-type": "application/x-www-form-urlencoded"}, 400),
        (b"{}", {"content-type": "application/json; charset=utf-16"}, 400),
    ],
)
def test_a_bad_body_is_a_4xx_on_every_route(http, path, body, headers, status) -> None:
    reply = http.post(path, content=body, headers={"content-type": "application/json", **headers})
    assert in_shape(reply, status)


@pytest.mark.parametrize("path", POSTS)
def test_a_good_body_is_answered_on_every_route(http, path) -> None:
    reply = http.post(path, json={**POSTS[path], "zeal": 1})
    assert reply.status_code == 200, reply.text
    assert reply.headers["x-fathom-ignored"] == "zeal"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "route_unknown"),
        ("GET", "/v1/nothing", 404, "route_unknown"),
        ("GET", "/docs", 404, "route_unknown"),
        ("POST", "/v1/embeddings", 404, "route_unknown"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
        ("PUT", "/health", 405, "method_not_allowed"),
        ("OPTIONS", "/v1/chat/completions", 405, "method_not_allowed"),
        ("GET", "/v1/models/other/name", 404, "model_not_found"),
        ("GET", "/v1/models/%F0%9F%98%80%0a", 404, "model_not_found"),
    ],
)
def test_unknown_routes_methods_and_models_are_told_in_shape(http, method, path, status, code) -> None:
    reply = http.request(method, path)
    assert in_shape(reply, status, code)
    assert "access-control-allow-origin" not in reply.headers


@pytest.mark.parametrize(
    ("path", "fields", "param"),
    [
        ("/v1/chat/completions", {"messages": []}, "messages"),
        ("/v1/chat/completions", {"messages": [{"role": "user"}]}, "messages[0].content"),
        (
            "/v1/chat/completions",
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages[0].content[0].text",
        ),
        ("/v1/chat/completions", {"max_completion_tokens": 3}, "max_tokens"),
        ("/v1/chat/completions", {"temperature": -1}, "temperature"),
        ("/v1/chat/completions", {"n": 129}, "n"),
        ("/v1/chat/completions", {"stop": [""]}, "stop"),
        ("/v1/chat/completions", {"stop": ["x"] * 17}, "stop"),
        ("/v1/chat/completions", {"response_format": {"type": "json_schema"}}, "response_format.json_schema.schema"),
        (
            "/v1/chat/completions",
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": 5}}}},
            None,
        ),
        ("/v1/chat/completions", {"tool_choice": {"type": "function", "function": {"name": "f"}}}, "tool_choice"),
        ("/v1/completions", {"prompt": ""}, "prompt"),
        ("/v1/completions", {"prompt": []}, "prompt"),
        ("/v1/completions", {"prompt": ["a", ""]}, "prompt"),
        ("/v1/completions", {"prompt": [-1]}, "prompt"),
        ("/v1/completions", {"prompt": [10**6]}, "prompt"),
        ("/v1/completions", {"prompt": [10**30]}, "prompt"),
        ("/v1/completions", {"prompt": [20] * 3000}, "prompt"),
        ("/v1/completions", {"prompt": ["a"] * 100, "n": 100}, "prompt"),
        ("/v1/completions", {"logprobs": 21}, "logprobs"),
        ("/v1/completions", {"best_of": 2}, "best_of"),
        ("/v1/completions", {"suffix": "x"}, "suffix"),
        ("/v1/completions", {"choice": [""]}, "choice"),
        ("/v1/completions", {"grammar": "start: :"}, "grammar"),
        ("/tokenize", {"content": 5}, "content"),
        ("/detokenize", {"tokens": [-1]}, "tokens"),
        ("/detokenize", {"tokens": ["a"]}, "tokens[0]"),
        ("/detokenize", {"tokens": [10**30]}, "tokens"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_bad_values_are_a_400_that_names_the_field(http, path, fields, param, stream) -> None:
    reply = http.post(path, json={**POSTS[path], "stream": stream, **fields})
    assert in_shape(reply, 400)
    assert param is None or reply.json()["error"]["param"] == param


@pytest.mark.parametrize("kind", ["image_url", "input_audio", "file", "video"])
def test_parts_that_are_no_text_are_refused(http, kind) -> None:
    content = [{"type": "text", "text": "a"}, {"type": kind, kind: {"url": "x"}}]
    reply = http.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": content}]})
    assert in_shape(reply, 400, "parameter_unsupported")
    assert reply.json()["error"]["param"].startswith("messages[0].content[1]")


@settings(max_examples=60, deadline=None)
@given(
    path=st.sampled_from(list(POSTS)),
    extra=st.dictionaries(
        st.sampled_from(
            [
                "messages",
                "prompt",
                "content",
                "tokens",
                "temperature",
                "top_p",
                "top_k",
                "min_p",
                "seed",
                "stop",
                "n",
                "logprobs",
                "top_logprobs",
                "logit_bias",
                "echo",
                "tools",
                "tool_choice",
                "response_format",
                "regex",
                "choice",
                "stream",
                "stream_options",
                "max_completion_tokens",
            ]
        ),
        JSON,
        min_size=1,
        max_size=3,
    ),
)
def test_no_json_body_makes_a_500(http, path, extra) -> None:
    reply = http.post(path, json={**POSTS[path], **extra})
    assert reply.status_code in (200, 400)
    assert reply.status_code == 200 or in_shape(reply)
    assert '"code":"internal"' not in reply.text


def test_the_document_of_the_api_is_complete(http) -> None:
    document = http.get("/openapi.json").json()
    assert document["openapi"].startswith("3.")
    for path in POSTS:
        schema = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert schema["$ref"].startswith("#/components/schemas/")
    for operations in document["paths"].values():
        for operation in operations.values():
            assert set(operation["responses"]) == {"200", "default"}
    for reference in _references(document):
        here = document
        for step in reference.removeprefix("#/").split("/"):
            here = here[step]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_about_the_api_names_every_route_and_every_refused_field(http, language) -> None:
    page = (Path(__file__).parents[2] / "docs" / language / "api.md").read_text("utf-8")
    for path in http.get("/openapi.json").json()["paths"]:
        assert f" {path}`" in page
    for field in (*ChatRequest.unsupported, *CompletionRequest.unsupported):
        assert f"`{field}`" in page


def _references(value):
    if isinstance(value, dict):
        yield from [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        yield from _references(item)


def test_fields_set_to_null_are_as_good_as_left_out(http) -> None:
    for path, model in (("/v1/chat/completions", ChatRequest), ("/v1/completions", CompletionRequest)):
        body = {**dict.fromkeys([*model.model_fields, *model.unsupported]), **GENERATING[path]}
        reply = http.post(path, json=body)
        assert reply.status_code == 200, reply.text
        assert "x-fathom-ignored" not in reply.headers


def test_echo_streams_the_prompt_first(http) -> None:
    body = {"prompt": ["the cat", "the rat"], "max_tokens": 3, "echo": True, "logprobs": 1, "temperature": 0}
    whole = http.post("/v1/completions", json=body).json()["choices"]
    lines = http.post("/v1/completions", json={**body, "stream": True}).text.split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    chunks = [json.loads(line.removeprefix("data: "))["choices"][0] for line in lines[:-2]]
    for choice in whole:
        mine = [chunk for chunk in chunks if chunk["index"] == choice["index"]]
        assert "".join(chunk["text"] for chunk in mine) == choice["text"]
        for column, values in choice["logprobs"].items():
            assert [value for chunk in mine for value in chunk["logprobs"][column]] == values


def test_token_ids_come_where_asked_for_also_without_a_text(http) -> None:
    body = {"prompt": ["the cat", "the rat"], "max_tokens": 9, "temperature": 0, "return_token_ids": True}
    body |= {"ignore_eos": True}
    whole = http.post("/v1/completions", json=body).json()["choices"]
    lines = http.post("/v1/completions", json={**body, "stream": True}).text.split("\n\n")
    chunks = [json.loads(line.removeprefix("data: "))["choices"][0] for line in lines[:-2]]
    assert len(chunks) == 18
    for choice in whole:
        mine = [chunk for chunk in chunks if chunk["index"] == choice["index"]]
        assert [token for chunk in mine for token in chunk["token_ids"]] == choice["token_ids"]
        assert len(choice["token_ids"]) == 9
        assert "".join(chunk["text"] for chunk in mine) == choice["text"]


def test_while_the_model_loads_health_says_so_and_nothing_generates() -> None:
    app = create_app(None, model_name="tiny")
    with running(app) as url, httpx.Client(base_url=url) as client:
        for reply in (client.get("/health"), client.post("/v1/completions", json={"prompt": "a"})):
            assert in_shape(reply, 503, "model_loading")
            assert reply.headers["retry-after"]
        assert client.get("/version").status_code == 200
        assert client.get("/v1/models").json()["data"][0]["id"] == "tiny"


def test_tokens_go_round(http) -> None:
    text = "the cat 中 <｜User｜>"
    tokens = http.post("/tokenize", json={"content": text}).json()["tokens"]
    assert http.post("/detokenize", json={"tokens": tokens}).json() == {"content": text}


def test_a_model_without_a_tokenizer_serves_token_ids_and_says_what_it_can_not(tmp_path) -> None:
    folder = write_checkpoint(tmp_path / "bare")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    ids = {"prompt": [20, 21, 22], "max_tokens": 3, "temperature": 0}
    with running(create_app(LLM(folder), model_name="bare")) as url, httpx.Client(base_url=url) as client:
        reply = client.post("/v1/completions", json=ids)
        assert reply.json()["choices"][0]["text"] == ""
        assert reply.json()["usage"]["completion_tokens"] > 0
        for path, body in ({**POSTS, "/v1/completions": {**ids, "logprobs": 1}}).items():
            assert in_shape(client.post(path, json=body), 400, "no_tokenizer")
        assert in_shape(client.post("/v1/completions", json={**ids, "stop": "a"}), 400, "no_tokenizer")
