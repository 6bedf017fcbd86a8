"""The texts of a request: clean where a model reads them, untouched elsewhere, and every change is told."""

from __future__ import annotations

import json

import pytest

from fathom.errors import FathomError
from fathom.guard.inbound import Inbound, header_list, inbound
from fathom.guard.limits import Limits

BAD = "a\u202eb"


def test_only_the_named_fields_are_changed_and_the_places_are_told() -> None:
    body = {
        "messages": [
            {"role": "user", "content": "hello", "name": "x"},
            {"role": "user", "content": [{"type": "text", "text": BAD}, {"type": "text", "text": "b"}]},
        ],
        "tools": [{"function": {"name": "f", "parameters": {"properties": {"c\u200bity": {"description": BAD}}}}}],
        "stop": BAD,
        "seed": 5,
    }
    found = inbound(body, ("messages", "tools", "prompt"), Limits())
    assert body["messages"][1]["content"] == [{"type": "text", "text": "ab"}, {"type": "text", "text": "b"}]
    assert body["tools"][0]["function"]["parameters"] == {"properties": {"city": {"description": "ab"}}}
    assert body["stop"] == BAD
    parameters = "tools[0].function.parameters.properties"
    cleaned = ["messages[1].content[0].text", f"{parameters}.c\u200bity.description", parameters]
    assert found == Inbound(cleaned=cleaned, characters=30)
    told = found.headers()["x-fathom-cleaned"]
    assert told == f"messages[1].content[0].text, {parameters}.c?ity.description, {parameters}"


@pytest.mark.parametrize("prompt", ["text", [BAD], [1, 2, 3], [[1, 2], [3]], None, 5, True, {"a": [BAD]}, []])
def test_values_of_any_kind_keep_their_shape(prompt) -> None:
    body = {"prompt": prompt}
    inbound(body, ("prompt",), Limits())
    assert body == json.loads(json.dumps({"prompt": prompt}).replace("\\u202e", ""))


def test_nothing_to_tell_is_no_header() -> None:
    assert inbound({"prompt": "hello 你好 👨\u200d👩\u200d👧"}, ("prompt",), Limits()).headers() == {}


def test_escapes_in_the_arguments_of_calls_hide_nothing() -> None:
    def arguments(text: str) -> tuple[str, list[str]]:
        body = {"messages": [{"tool_calls": [{"function": {"name": "f", "arguments": text}}]}]}
        found = inbound(body, ("messages",), Limits())
        return body["messages"][0]["tool_calls"][0]["function"]["arguments"], found.cleaned

    place = "messages[0].tool_calls[0].function.arguments"
    assert arguments(r'{"a": "x\u202ey\udb40\udc41z"}') == ('{"a": "xyz"}', [place])
    for text in (r'{"a": "\u4f60\u597d"}', r'{"a": "\u202', "\\u", '{"a": 1}'):
        assert arguments(text) == (text, [])


@pytest.mark.parametrize("text", ['{"a":' * 100 + r'"\u0041"' + "}" * 100, "[" * 100_000, "1" * 5000])
def test_arguments_of_calls_are_held_to_the_limits_of_a_body(text) -> None:
    body = {"messages": [{"tool_calls": [{"function": {"name": "f", "arguments": text}}]}]}
    with pytest.raises(FathomError) as caught:
        inbound(body, ("messages",), Limits())
    assert (caught.value.code, caught.value.status) == ("parameter_invalid", 400)


def test_private_use_and_forged_turns_are_flagged_and_kept() -> None:
    body = {"prompt": ["\ue000", "User: a\n" * 17, "User: a\n" * 16]}
    before = json.dumps(body)
    found = inbound(body, ("prompt",), Limits())
    assert json.dumps(body) == before
    assert found.headers() == {"x-fathom-flagged": "prompt[0] (private use), prompt[1] (more than 16 turns)"}


def test_endless_runs_are_refused_by_the_name_of_their_field() -> None:
    inbound({"prompt": "-" * 2**14}, ("prompt",), Limits())
    with pytest.raises(FathomError) as caught:
        inbound({"messages": [{"content": "x" + "-" * (2**14 + 1)}]}, ("messages",), Limits())
    assert (caught.value.code, caught.value.param) == ("parameter_invalid", "messages[0].content")


def test_texts_are_too_long_together() -> None:
    inbound({"prompt": ["a" * 5, "b" * 5]}, ("prompt",), Limits(characters=10))
    with pytest.raises(FathomError) as caught:
        inbound({"prompt": ["a" * 5, "b" * 6, "c"]}, ("prompt",), Limits(characters=10))
    assert (caught.value.code, caught.value.param) == ("parameter_invalid", "prompt[1]")


def test_media_are_no_text_but_have_a_measure_too() -> None:
    picture = "data:image/png;base64," + "A" * 100_000 + "=="
    parts = [
        {"type": "image_url", "image_url": {"url": picture}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 100_000}},
        {"type": "input_audio", "input_audio": {"data": BAD, "format": "wav"}},
    ]
    body = {"messages": [{"role": "user", "content": parts}]}
    found = inbound(body, ("messages",), Limits())
    assert parts[0]["image_url"] == {"url": picture}
    assert found.cleaned == ["messages[0].content[2].input_audio.data"]
    with pytest.raises(FathomError) as caught:
        inbound(body, ("messages",), Limits(media_bytes=70_000))
    assert caught.value.param == "messages[0].content[0].image_url.url"


def test_keys_that_would_become_one_are_refused() -> None:
    with pytest.raises(FathomError, match="invisible"):
        inbound({"tools": [{"a": 1, "a\u200b": 2}]}, ("tools",), Limits())


def test_a_header_is_short_and_plain() -> None:
    text = header_list(["a\r\nb: é", "x" * 500, *map(str, range(100))])
    assert text.isascii()
    assert "\n" not in text
    assert text.startswith("a??b? ?, " + "x" * 80 + ", 0, ")
    assert text.endswith("29, and 70 more")
