"""Chat completions and completions through the gateway: nothing leaves unmasked, nothing comes back masked."""

from __future__ import annotations

import json

import httpx
import openai
import pytest

from fathom.guard import Masker
from scripted_echo import echo
from scripted_upstream import Answer, gateway, whole

SAID = "我叫张伟，手机号13800138000，邮箱 zhang.wei@corp.example.cn。My name is John Smith, card 4111 1111 1111 1111."
VALUES = ["张伟", "13800138000", "zhang.wei@corp.example.cn", "John Smith", "4111 1111 1111 1111"]


@pytest.fixture(scope="module")
def live():
    with gateway(echo, Masker(dictionary={"张伟": "PERSON"})) as (url, upstream):
        yield openai.OpenAI(base_url=url + "/v1", api_key="sk-client", max_retries=0, timeout=30), upstream


def chat(client, text=SAID, **options):
    return client.chat.completions.create(model="echo", messages=[{"role": "user", "content": text}], **options)


def joined(chunks, index: int, field: str) -> str:
    choices = [choice for chunk in chunks for choice in chunk.choices if choice.index == index]
    return "".join(getattr(choice.delta, field, None) or "" for choice in choices)


def test_an_answer_repeats_the_values_that_never_left(live) -> None:
    client, upstream = live
    reply = chat(client, n=2)
    for choice in reply.choices:
        assert choice.message.content == SAID
        assert choice.message.reasoning_content == f"think: {SAID}"
    assert reply.usage.total_tokens == 7
    upstream.holds_none_of(VALUES)


def test_a_stream_of_several_choices_says_the_same_at_any_cut(live) -> None:
    client, upstream = live
    chunks = list(chat(client, n=3, stream=True))
    for index in range(3):
        assert joined(chunks, index, "content") == SAID
        assert joined(chunks, index, "reasoning_content") == f"think: {SAID}"
        mine = [choice for chunk in chunks for choice in chunk.choices if choice.index == index]
        assert [choice.finish_reason for choice in mine][-1] == "stop"
        assert {choice.finish_reason for choice in mine[:-1]} == {None}
    assert chunks[-1].usage.total_tokens == 7
    upstream.holds_none_of(VALUES)


@pytest.mark.parametrize("quoted", [SAID, 'A "quoted" word\\: 我叫张伟, \n電話 13800138000'])
@pytest.mark.parametrize("streamed", [False, True])
def test_arguments_of_calls_arrive_as_json_with_the_values(live, streamed, quoted) -> None:
    client, upstream = live
    tools = [{"type": "function", "function": {"name": "send", "description": "To 张伟", "parameters": {}}}]
    reply = chat(client, quoted, tools=tools, stream=streamed)
    if streamed:
        calls: dict[int, str] = {}
        for chunk in reply:
            for choice in chunk.choices:
                for call in choice.delta.tool_calls or ():
                    calls[call.index] = calls.get(call.index, "") + (call.function.arguments or "")
        arguments = [calls[index] for index in sorted(calls)]
    else:
        arguments = [call.function.arguments for call in reply.choices[0].message.tool_calls]
    assert [json.loads(each) for each in arguments] == [{"to": quoted, "n": 0}, {"to": quoted, "n": 1}]
    upstream.holds_none_of(VALUES)


@pytest.mark.parametrize("streamed", [False, True])
def test_json_mode_stays_json_with_values_that_need_escapes(streamed) -> None:
    name = 'Wei "the\\man" Zhang'
    with gateway(echo, Masker(dictionary={name: "PERSON"})) as (url, upstream):
        client = openai.OpenAI(base_url=url + "/v1", api_key="k", max_retries=0)
        reply = chat(client, f"I am {name}.", response_format={"type": "json_object"}, stream=streamed)
        text = joined(list(reply), 0, "content") if streamed else reply.choices[0].message.content
        assert json.loads(text) == {"said": f"I am {name}."}
        assert "the" not in upstream.received.partition("messages")[2]


def test_the_history_leaves_masked_calls_and_results_too(live) -> None:
    client, upstream = live
    arguments = json.dumps({"name": "张伟", "phone": 13800138000})
    call = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": arguments}}
    messages = [
        {"role": "system", "content": "You help 张伟 (zhang.wei@corp.example.cn)."},
        {"role": "user", "name": "zhangwei", "content": [{"type": "text", "text": SAID}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": json.dumps({"card": "4111 1111 1111 1111", "name": "张伟"})},
        {"role": "user", "content": "and 张伟?"},
    ]
    reply = client.chat.completions.create(model="echo", messages=messages, user="zhang.wei@corp.example.cn")
    assert reply.choices[0].message.content == "and 张伟?"
    sent = json.loads(upstream.bodies[-1])
    assert json.loads(sent["messages"][2]["tool_calls"][0]["function"]["arguments"])["name"].startswith("⟦PERSON")
    upstream.holds_none_of(VALUES)


@pytest.mark.parametrize("streamed", [False, True])
def test_completions_take_one_text_and_several(live, streamed) -> None:
    client, upstream = live
    reply = client.completions.create(model="echo", prompt=[SAID, "and 张伟"], stream=streamed)
    replies = list(reply) if streamed else [reply]
    texts = ["".join(c.text for r in replies for c in r.choices if c.index == index) for index in range(2)]
    assert texts == [SAID, "and 张伟"]
    upstream.holds_none_of(VALUES)


def test_token_ids_and_pictures_are_refused_with_their_place(live) -> None:
    client, upstream = live
    seen = len(upstream.bodies)
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(model="echo", prompt=[1, 2, 3])
    assert caught.value.code == "tokens_refused"
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    with pytest.raises(openai.BadRequestError) as caught:
        chat(client, [{"type": "text", "text": "who?"}, picture])
    assert (caught.value.code, caught.value.param) == ("attachment_refused", "messages[0].content[1]")
    assert len(upstream.bodies) == seen


def test_log_probabilities_are_left_out_and_that_is_said(live) -> None:
    client, upstream = live
    reply = client.chat.completions.with_raw_response.create(
        model="echo", messages=[{"role": "user", "content": "hi"}], logprobs=True, top_logprobs=3
    )
    assert reply.headers["x-fathom-dropped"] == "logprobs, top_logprobs"
    assert "logprobs" not in json.loads(upstream.bodies[-1])


def test_headers_say_what_was_masked_and_nothing_of_the_client_is_sent_on(live) -> None:
    client, upstream = live
    raw = client.chat.completions.with_raw_response.create(
        model="echo", messages=[{"role": "user", "content": SAID}], extra_headers={"x-user": "张伟".encode().hex()}
    )
    assert raw.headers["x-fathom-masked"] == "BANK_CARD=1, EMAIL=1, PERSON=2, PHONE=1"
    head = upstream.heads[-1].decode().lower()
    assert "authorization: bearer sk-client" in head
    for name in ("x-user", "x-stainless", "cookie", "openai/python"):
        assert name not in head


def test_placeholders_that_the_model_changed_are_put_back_and_unknown_ones_are_told() -> None:
    def reply(path: str, body: dict) -> Answer:
        content = "[person 1]，【PHONE_1】，<PERSON_9>"
        return whole({"choices": [{"index": 0, "message": {"role": "assistant", "content": content}}]})

    with gateway(reply) as (url, _):
        body = {"model": "m", "messages": [{"role": "user", "content": "我叫张伟，手机号13800138000，[Person 8]"}]}
        raw = httpx.post(f"{url}/v1/chat/completions", json=body)
        assert raw.json()["choices"][0]["message"]["content"] == "张伟，13800138000，<PERSON_9>"
        assert raw.headers["x-fathom-unknown"] == "PERSON_9=1"
        assert "fathom_gateway_unknown_placeholders_total 1.0" in httpx.get(f"{url}/metrics").text


def test_curl_works_unchanged(live) -> None:
    import subprocess

    client, _ = live
    body = json.dumps({"model": "echo", "stream": True, "messages": [{"role": "user", "content": SAID}]})
    out = subprocess.run(
        ["curl", "-sSN", f"{client.base_url}chat/completions", "-H", "Content-Type: application/json", "-d", body],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    ).stdout
    assert out.rstrip().endswith("data: [DONE]")
    assert "13800138000" in out


def test_models_pass_through() -> None:
    def reply(path: str, body: dict) -> Answer:
        return whole({"object": "list", "data": [{"id": "a/b", "object": "model", "created": 1, "owned_by": "x"}]})

    with gateway(reply) as (url, upstream):
        client = openai.OpenAI(base_url=url + "/v1", api_key="k", max_retries=0)
        assert [model.id for model in client.models.list()] == ["a/b"]
        httpx.get(url + "/v1/models/a/b")
        assert b"/v1/models/a/b" in upstream.heads[-1]
        assert httpx.get(url + "/health").json()["status"] == "ok"
