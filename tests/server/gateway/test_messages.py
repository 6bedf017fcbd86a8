"""Anthropic's messages through the gateway, with the official client."""

from __future__ import annotations

import json

import anthropic
import pytest

from fathom.guard import Masker
from scripted_echo import echo
from scripted_upstream import Answer, event, gateway, stream, whole

SAID = "我叫张伟，手机号13800138000，邮箱 zhang.wei@corp.example.cn。"
VALUES = ["张伟", "13800138000", "zhang.wei@corp.example.cn"]
TOOLS = [{"name": "send", "description": "Sends mail for 张伟", "input_schema": {"type": "object", "properties": {}}}]


@pytest.fixture(scope="module")
def live():
    with gateway(echo, Masker(dictionary={"张伟": "PERSON"})) as (url, upstream):
        yield anthropic.Anthropic(base_url=url, api_key="sk-client", max_retries=0, timeout=30), upstream


def ask(client, content=SAID, **options):
    return client.messages.create(
        model="echo", max_tokens=99, messages=[{"role": "user", "content": content}], **options
    )


def check(message, said: str) -> None:
    thinking, text, call = message.content
    assert (thinking.thinking, thinking.signature) == (f"think: {said}", "c2ln")
    assert text.text == said
    assert (call.name, call.input) == ("send", {"to": said, "data": [said]})
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens == 4


def test_blocks_come_back_with_the_values_that_never_left(live) -> None:
    client, upstream = live
    check(ask(client, tools=TOOLS, system=[{"type": "text", "text": "Help 张伟."}]), SAID)
    upstream.holds_none_of(VALUES)
    assert b"sk-client" in upstream.heads[-1]
    assert b"anthropic-version: " in upstream.heads[-1]


@pytest.mark.parametrize("said", [SAID, 'A "quoted" \\ word: 我叫张伟\n電話 13800138000'])
def test_a_stream_adds_up_to_the_same_message(live, said) -> None:
    client, upstream = live
    messages = [{"role": "user", "content": said}]
    with client.messages.stream(model="echo", max_tokens=99, messages=messages, tools=TOOLS) as streamed:
        check(streamed.get_final_message(), said)
    upstream.holds_none_of(VALUES)


def test_what_a_block_holds_comes_before_its_end(live) -> None:
    with gateway(lambda *_: _cut_token()) as (url, _):
        client = anthropic.Anthropic(base_url=url, api_key="k", max_retries=0)
        events = list(ask(client, "我叫张伟", stream=True))
    kinds = [each.type for each in events]
    assert "".join(each.delta.text for each in events if each.type == "content_block_delta") == "hi ⟦PERSON_"
    assert kinds.index("content_block_stop") == len(kinds) - 2


def _cut_token() -> Answer:
    def said(text: str) -> dict:
        return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}

    events = [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *map(said, ["hi ", "⟦PER", "SON_"]),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_stop"},
    ]
    return stream([event(each, each["type"]) for each in events])


def test_the_history_leaves_masked_calls_and_results_too(live) -> None:
    client, upstream = live
    messages = [
        {"role": "user", "content": SAID},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t1", "name": "find", "input": {"张伟": "13800138000"}}],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": json.dumps(VALUES)}]},
                {"type": "text", "text": "so, 张伟?"},
            ],
        },
    ]
    reply = client.messages.create(
        model="echo", max_tokens=9, messages=messages, metadata={"user_id": "zhang.wei@corp.example.cn"}
    )
    assert reply.content[1].text == "so, 张伟?"
    upstream.holds_none_of(VALUES)


def test_tokens_are_counted_of_the_masked_text(live) -> None:
    client, upstream = live
    count = client.messages.count_tokens(model="echo", messages=[{"role": "user", "content": SAID}])
    assert count.input_tokens == 3
    upstream.holds_none_of(VALUES)


def test_pictures_are_refused_in_anthropics_shape_or_left_out(live) -> None:
    client, _ = live
    source = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    content = [{"type": "text", "text": "who?"}, {"type": "image", "source": source}]
    with pytest.raises(anthropic.BadRequestError) as caught:
        ask(client, content)
    assert caught.value.body["type"] == "error"
    assert caught.value.body["error"]["type"] == "invalid_request_error"
    with gateway(echo, attachments="redact") as (url, behind):
        ask(anthropic.Anthropic(base_url=url, api_key="k", max_retries=0), content)
        assert "AAAA" not in behind.received
        assert "[attachment removed]" in behind.received
    with gateway(echo, attachments="pass") as (url, behind):
        ask(anthropic.Anthropic(base_url=url, api_key="k", max_retries=0), content)
        assert json.loads(behind.bodies[0])["messages"][0]["content"][1]["source"] == source


def test_an_error_in_mid_stream_reaches_the_client() -> None:
    overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "⟦PERSON_1⟧ waits"}}

    def reply(path: str, body: dict) -> Answer:
        return stream([event({"type": "ping"}, "ping"), event(overloaded, "error")])

    with gateway(reply) as (url, _):
        client = anthropic.Anthropic(base_url=url, api_key="k", max_retries=0)
        with pytest.raises(anthropic.APIStatusError) as caught:
            list(ask(client, "我叫张伟", stream=True))
        assert "张伟 waits" in str(caught.value)


def test_the_upstreams_key_is_put_in_the_place_of_the_clients() -> None:
    with gateway(lambda *_: whole({"input_tokens": 3}), upstream_key="sk-house") as (url, upstream):
        client = anthropic.Anthropic(base_url=url, api_key="sk-client", max_retries=0)
        client.messages.count_tokens(model="echo", messages=[{"role": "user", "content": "hi"}])
        assert b"x-api-key: sk-house" in upstream.heads[0]
        assert b"sk-client" not in upstream.heads[0]


def test_a_key_of_the_gateways_own_is_asked_for_and_not_sent_on() -> None:
    with gateway(lambda *_: whole({"input_tokens": 3}), api_key="own") as (url, upstream):
        for key, is_right in (("own", True), ("other", False)):
            client = anthropic.Anthropic(base_url=url, api_key=key, max_retries=0)
            try:
                client.messages.count_tokens(model="echo", messages=[{"role": "user", "content": "hi"}])
                assert is_right
            except anthropic.AuthenticationError:
                assert not is_right
        assert len(upstream.heads) == 1
        assert b"own" not in upstream.heads[0]


def test_json_mode_stays_json() -> None:
    name = 'Wei "the\\man" Zhang'
    with gateway(echo, Masker(dictionary={name: "PERSON"})) as (url, _):
        client = anthropic.Anthropic(base_url=url, api_key="k", max_retries=0)
        form = {"format": {"type": "json_schema", "schema": {"type": "object"}}}
        for streamed in (False, True):
            reply = ask(client, f"I am {name}.", extra_body={"output_config": form}, stream=streamed)
            if streamed:
                deltas = [each.delta for each in reply if each.type == "content_block_delta"]
                text = "".join(delta.text for delta in deltas if delta.type == "text_delta")
            else:
                text = reply.content[1].text
            assert json.loads(text) == {"said": f"I am {name}."}
