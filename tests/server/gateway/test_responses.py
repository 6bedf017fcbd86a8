"""OpenAI's responses and embeddings through the gateway, with the official client."""

from __future__ import annotations

import json

import httpx
import openai
import pytest

from fathom.guard import Masker
from scripted_echo import echo
from scripted_upstream import Answer, gateway

SAID = "我叫张伟，手机号13800138000，邮箱 zhang.wei@corp.example.cn。"
VALUES = ["张伟", "13800138000", "zhang.wei@corp.example.cn"]
TOOLS = [{"type": "function", "name": "send", "description": "For 张伟", "parameters": {}, "strict": False}]


@pytest.fixture(scope="module")
def live():
    with gateway(echo, Masker(dictionary={"张伟": "PERSON"})) as (url, upstream):
        yield openai.OpenAI(base_url=url + "/v1", api_key="sk-client", max_retries=0, timeout=30), upstream


def check(response, said: str) -> None:
    reasoning, message, call = response.output
    assert reasoning.summary[0].text == f"think: {said}"
    assert message.content[0].text == response.output_text == said
    assert json.loads(call.arguments) == {"to": said}


def test_items_come_back_with_the_values_that_never_left(live) -> None:
    client, upstream = live
    reply = client.responses.create(model="echo", input=SAID, instructions="Help 张伟.", tools=TOOLS)
    check(reply, SAID)
    upstream.holds_none_of(VALUES)


@pytest.mark.parametrize("said", [SAID, 'A "quoted" word: 我叫张伟\n電話 13800138000'])
def test_a_streams_events_agree_with_each_other_and_are_numbered(live, said) -> None:
    client, upstream = live
    events = list(client.responses.create(model="echo", input=said, tools=TOOLS, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    check(events[-1].response, said)
    for kind, field, whole in (
        ("response.output_text", "text", said),
        ("response.reasoning_summary_text", "text", f"think: {said}"),
        ("response.function_call_arguments", "arguments", None),
    ):
        text = "".join(event.delta for event in events if event.type == f"{kind}.delta")
        done = next(getattr(event, field) for event in events if event.type == f"{kind}.done")
        assert text == done
        assert whole in (None, text)
    part = next(event.part for event in events if event.type == "response.content_part.done")
    assert part.text == said
    upstream.holds_none_of(VALUES)


def test_the_history_leaves_masked_calls_and_outputs_too(live) -> None:
    client, upstream = live
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": SAID}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": json.dumps({"phone": 13800138000})},
        {"type": "function_call_output", "call_id": "c", "output": json.dumps(VALUES)},
        {"role": "user", "content": "so, 张伟?"},
    ]
    reply = client.responses.create(
        model="echo", input=items, metadata={"who": "zhang.wei@corp.example.cn"}, user="13800138000"
    )
    assert reply.output_text == "so, 张伟?"
    upstream.holds_none_of(VALUES)


@pytest.mark.parametrize("streamed", [False, True])
def test_json_mode_stays_json(live, streamed) -> None:
    client, _ = live
    form = {"format": {"type": "json_schema", "name": "x", "schema": {"type": "object"}}}
    reply = client.responses.create(model="echo", input=f'"{SAID}"', text=form, stream=streamed)
    text = list(reply)[-1].response.output_text if streamed else reply.output_text
    assert json.loads(text) == {"said": f'"{SAID}"'}


@pytest.mark.parametrize("streamed", [False, True])
def test_reasoning_beside_json_is_no_json(streamed) -> None:
    name = 'Wei "the\\man" Zhang'
    with gateway(echo, Masker(dictionary={name: "PERSON"})) as (url, _):
        client = openai.OpenAI(base_url=url + "/v1", api_key="k", max_retries=0)
        form = {"format": {"type": "json_object"}}
        reply = client.responses.create(model="echo", input=name, text=form, stream=streamed)
        response = list(reply)[-1].response if streamed else reply
        assert response.output[0].summary[0].text == f"think: {name}"
        assert json.loads(response.output_text) == {"said": name}


@pytest.mark.parametrize(
    "options",
    [
        {"previous_response_id": "resp_0"},
        {"conversation": "conv_1"},
        {"background": True},
        {"input": [{"type": "item_reference", "id": "msg_1"}]},
    ],
)
def test_what_lies_at_the_upstream_is_refused_without_its_vault(live, options) -> None:
    client, upstream = live
    seen = len(upstream.bodies)
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(**{"model": "echo", "input": "hi", **options})
    assert caught.value.param in options
    assert "--vault-dir" in str(caught.value)
    assert len(upstream.bodies) == seen


@pytest.mark.parametrize("streamed", [False, True])
def test_with_a_folder_for_vaults_a_later_request_goes_on(tmp_path, streamed) -> None:
    with gateway(echo, vault_dir=tmp_path, vault_key=bytes(32)) as (url, upstream):
        client = openai.OpenAI(base_url=url + "/v1", api_key="k", max_retries=0)
        reply = client.responses.create(model="echo", input="我叫张伟", stream=streamed)
        if streamed:
            list(reply)
        again = client.responses.create(
            model="echo", input="我叫李娜，找张伟 ⟦PERSON_1⟧", previous_response_id="resp_1"
        )
        assert again.output_text == "我叫李娜，找张伟 ⟦PERSON_1⟧"
        sent = json.loads(upstream.bodies[-1])["input"]
        assert sent.startswith("我叫⟦PERSON_2⟧，找⟦PERSON_1⟧ ")
        assert [path.suffix for path in tmp_path.iterdir()] == [".vault"]
        with pytest.raises(openai.BadRequestError) as caught:
            client.responses.create(model="echo", input="hi", previous_response_id="resp_9")
        assert caught.value.param == "previous_response_id"


def test_with_a_folder_for_vaults_an_answer_is_fetched_and_deleted(tmp_path) -> None:
    with gateway(echo, vault_dir=tmp_path, vault_key=bytes(32)) as (url, upstream):
        client = openai.OpenAI(base_url=url + "/v1", api_key="k", max_retries=0)
        client.responses.create(model="echo", input="我叫张伟", background=True)
        assert client.responses.retrieve("resp_1").output[0].content[0].text == "张伟!"
        assert client.responses.cancel("resp_1").output[0].content[0].text == "张伟!"
        with pytest.raises(openai.BadRequestError):
            client.responses.retrieve("resp_2")
        client.responses.delete("resp_1")
        assert b"/v1/responses/resp_1" in upstream.heads[-1]
        assert list(tmp_path.iterdir()) == []


def test_a_vault_ends_with_its_time(tmp_path) -> None:
    with gateway(echo, vault_dir=tmp_path, vault_key=bytes(32), vault_ttl_s=1e-9) as (url, _):
        client = openai.OpenAI(base_url=url + "/v1", api_key="k", max_retries=0)
        client.responses.create(model="echo", input="我叫张伟")
        with pytest.raises(openai.APIStatusError) as caught:
            client.responses.create(model="echo", input="hi", previous_response_id="resp_1")
        assert caught.value.status_code < 500


def test_texts_to_embed_leave_masked_and_ids_are_refused(live) -> None:
    client, upstream = live
    reply = client.embeddings.create(model="echo", input=[SAID, "x"], encoding_format="float")
    assert [entry.embedding for entry in reply.data] == [[0.5, 1.0], [0.5, 1.0]]
    upstream.holds_none_of(VALUES)
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model="echo", input=[[1, 2]])
    assert caught.value.code == "tokens_refused"


def test_the_vault_of_an_answer_is_its_owners_alone(tmp_path) -> None:
    told = json.dumps({"error": {"message": "no model `⟦PHONE_1⟧`"}}).encode()
    answers = iter([Answer([b'{"id": "resp_a"}']), Answer([told], status=404)])
    with gateway(lambda *_: next(answers), vault_dir=tmp_path, vault_key=b"k" * 32) as (url, _):

        def ask(key: str, **body: str) -> httpx.Response:
            sent = {"model": "⟦PHONE_1⟧", "input": "手机号13800138000", **body}
            return httpx.post(f"{url}/v1/responses", json=sent, headers={"authorization": f"Bearer {key}"})

        assert ask("one").status_code == 200
        assert ask("two", input="hi", previous_response_id="resp_a").status_code == 400
        assert ask("one", input="hi", previous_response_id="resp_a").status_code == 404
