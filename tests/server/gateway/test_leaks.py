"""Personal data in answers that the request did not hold."""

from __future__ import annotations

import json
import random
import time

import httpx
import openai
import pytest

from fathom.guard import Masker, Vault
from fathom.server.gateway.leak import HELD, LeakScan, Window
from scripted_upstream import event, gateway, pieces, stream, whole
from serving import wait_for

LEAK = "Ask 13912345678 or li.na@corp.example.cn, says ⟦PERSON_1⟧."
ASK = {"model": "m", "messages": [{"role": "user", "content": "我叫张伟"}]}
MASKED = "Ask [PHONE] or [EMAIL], says 张伟."
TEXT = (
    "很长的一段话，没有什么。" * 20 + "电话13912345678。" + "然后又是一段话。" * 30 + "Mail li.na@corp.example.cn now"
)


def reply(path: str, body: dict):
    if not body.get("stream"):
        message = {"role": "assistant", "content": LEAK}
        return whole({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    cut = random.Random(3)
    chunks = [{"index": 0, "delta": {"content": piece}, "finish_reason": None} for piece in pieces(LEAK, cut)]
    chunks.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    return stream([*(event({"choices": [chunk]}) for chunk in chunks), event("[DONE]")], cut)


def answer(url: str, streamed: bool) -> str:
    client = openai.OpenAI(base_url=url + "/v1", api_key="k", max_retries=0)
    got = client.chat.completions.create(**ASK, stream=streamed)
    if streamed:
        return "".join(c.delta.content or "" for chunk in got for c in chunk.choices)
    return got.choices[0].message.content


def window(policy: str, supplied: str = "", *, json: bool = False) -> tuple[Window, LeakScan]:
    scan = LeakScan(policy, Masker(), Vault(), lambda: [supplied])
    return Window(scan, json=json), scan


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("policy", "expected"), [("mask", MASKED), ("warn", None), ("off", None)])
def test_the_policy_decides_what_a_client_reads(policy, expected, streamed) -> None:
    with gateway(reply, leaks=policy) as (url, _):
        assert answer(url, streamed) == (expected or LEAK.replace("⟦PERSON_1⟧", "张伟"))
        counted = 'fathom_gateway_leaks_total{type="PHONE"} 1.0'
        wait_for(lambda: (counted in httpx.get(url + "/metrics").text) == (policy != "off"))


@pytest.mark.parametrize("streamed", [False, True])
def test_a_blocked_answer_is_an_error_that_names_the_kinds_only(streamed) -> None:
    with gateway(reply, leaks="block") as (url, _):
        with pytest.raises(openai.APIError) as caught:
            answer(url, streamed)
        assert "PHONE" in str(caught.value)
        assert "13912345678" not in str(caught.value)


def test_what_the_request_held_is_no_leak() -> None:
    masker = Masker(allow=["13912345678"])
    for supplied in ("Call 139-1234-5678", "Ｃａｌｌ １３９１２３４５６７８"):
        scan = LeakScan("mask", masker, Vault(), lambda supplied=supplied: [supplied])
        assert Window(scan).feed("It is 13912345678 or 139 1234 5678.", end=True).count("[PHONE]") == 0
    assert not scan.found


def test_tokens_and_surrogates_are_no_leaks() -> None:
    masker, vault = Masker(operator="surrogate"), Vault()
    masked = masker.mask("打13800138000，找张伟，mail zhang.wei@corp.example.cn", vault).text
    scan = LeakScan("mask", masker, vault, list)
    assert Window(scan).feed(masked, end=True) == masked
    assert not scan.found


@pytest.mark.parametrize("seed", range(40))
def test_any_cut_of_a_stream_is_masked_as_the_whole(seed) -> None:
    whole_text = window("mask")[0].feed(TEXT, end=True)
    assert "[PHONE]" in whole_text
    assert "[EMAIL]" in whole_text
    streaming, scan = window("mask")
    parts = [streaming.feed(piece) for piece in pieces(TEXT, random.Random(seed))]
    assert "".join([*parts, streaming.feed("", end=True)]) == whole_text
    assert scan.found == {"PHONE": 1, "EMAIL": 1}


def test_masking_holds_back_so_many_characters_and_warning_none() -> None:
    text = "word " * 100
    for policy, held in (("mask", HELD), ("warn", 0), ("off", 0)):
        streaming, _ = window(policy)
        said = 0
        for i, piece in enumerate(pieces(text, random.Random(1))):
            said += len(streaming.feed(piece))
            assert said >= len("".join(pieces(text, random.Random(1))[: i + 1])) - held
        assert said + len(streaming.feed("", end=True)) == len(text)


def test_warning_sees_a_long_answer_in_batches_and_counts_once() -> None:
    streaming, scan = window("warn")
    text = ("很长的一段话。" * 300 + "电话13912345678。") * 5
    for piece in pieces(text, random.Random(5)):
        streaming.feed(piece)
    streaming.feed("", end=True)
    assert scan.found == {"PHONE": 5}


def test_json_stays_json() -> None:
    text = json.dumps({"phone": 13912345678, "mail": "li.na@corp.example.cn"})
    masked = window("mask", json=True)[0].feed(text, end=True)
    assert json.loads(masked) == {"phone": 99999999999, "mail": "[EMAIL]"}


def test_many_tokens_and_many_leaks_take_linear_time() -> None:
    vault, masker = Vault(), Masker()
    vault.token("PERSON", "张三")
    text = "⟦PERSON_1⟧ 139%08d " * 4000 % tuple(range(4000))
    began = time.process_time()
    assert len(LeakScan("warn", masker, vault, lambda: []).spans(text)) == 4000
    assert time.process_time() - began < 2
