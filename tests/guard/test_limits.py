"""Bodies are measured before they are parsed: the limits hold exactly, what keeps them is untouched, time is linear."""

from __future__ import annotations

import json
import re
import time
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.errors import FathomError
from fathom.guard.limits import Limits, check_body

WIDE = Limits()
SMALL = Limits(body_bytes=4096, depth=4, values=20, keys=10, number_digits=20)
TEXTS = st.text(st.sampled_from('a"\\/[]{},:\n\0é中😀1e'), max_size=12)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def refusal(raw: bytes, limits: Limits = WIDE) -> FathomError:
    with pytest.raises(FathomError) as caught:
        check_body(raw, limits)
    assert 400 <= caught.value.status < 500
    return caught.value


@given(st.dictionaries(TEXTS, JSON, max_size=5), st.booleans(), st.sampled_from([None, 1]))
def test_any_json_object_within_the_limits_comes_back_as_the_parser_reads_it(body, ascii_only, indent) -> None:
    raw = json.dumps(body, ensure_ascii=ascii_only, indent=indent).encode()
    assert check_body(raw) == body


@given(st.binary(max_size=64) | TEXTS.map(str.encode) | st.text('[]{}",:\\1 e-', max_size=40).map(str.encode))
def test_any_bytes_are_an_object_or_a_4xx(raw) -> None:
    try:
        assert isinstance(check_body(raw), dict)
    except FathomError as error:
        assert error.status == 400  # noqa: PT017


@given(st.dictionaries(TEXTS, JSON, max_size=5))
def test_counts_are_those_of_the_parsed_value(body) -> None:
    """The limits are exact: what has as many keys and as much depth as allowed passes, one less allowed is refused."""
    raw, depth, keys = json.dumps(body).encode(), _depth(body), _keys(body)
    assert check_body(raw, replace(WIDE, depth=depth, keys=keys)) == body
    assert "deep" in str(refusal(raw, replace(WIDE, depth=depth - 1)))
    if keys:
        assert "keys" in str(refusal(raw, replace(WIDE, keys=keys - 1)))


def _depth(value) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(_depth, inner), default=0)


def _keys(value) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return (len(value) if isinstance(value, dict) else 0) + sum(map(_keys, inner))


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"{}{}", "not valid JSON"),
        (b"{'a': 1}", "not valid JSON"),
        (b'{"a": 01}', "not valid JSON"),
        (b'{"a": "\n"}', "not valid JSON"),
        (b'{"a": "\\x"}', "not valid JSON"),
        (b"null", "null, expected an object"),
        (b"[]", "an array, expected an object"),
        (b'"{}"', "a string, expected an object"),
        (b"5", "a number, expected an object"),
        (b"true", "a boolean, expected an object"),
        (b'\xef\xbb\xbf{"a": 1}', "byte order mark"),
        ('{"a": 1}'.encode("utf-16"), "UTF-8 (byte 0)"),
        (b'{"a": "\xff"}', "UTF-8 (byte 7)"),
        (b'{"a": "\xc0\xaf"}', "UTF-8 (byte 7)"),  # an overlong slash
        (b'{"a": "\xed\xa0\x80"}', "UTF-8 (byte 7)"),  # an encoded surrogate
        (b'{"a": "\xf4\x90\x80\x80"}', "UTF-8 (byte 7)"),  # beyond U+10FFFF
        (b'{"a": "\xe4\xb8', "UTF-8 (byte 7)"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"a": {"\\uDFFF": 1}}', "surrogate"),
        (b'{"a": ["\\ude00\\ud83d"]}', "surrogate"),
        (b'{"a": 1, "a": 2}', "'a' is given twice"),
        (b'{"b": [{"a": 1, "\\u0061": 2}]}', "'a' is given twice"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": -1.5E+400}', "too large"),
        (b'{"a": ' + b"9" * 400 + b"}", "number of more than 64"),
        (b'{"a": 0.' + b"1" * 5000 + b"}", "number of more than 64"),
        (b'{"a": 1e' + b"0" * 5000 + b"1}", "number of more than 64"),
        (b'{"a": ' + b"[" * 100_000, "nested 100001 deep"),
        (b'{"a": ' * 100_000, "keys"),
        (b'{"a": [' + b"{}," * 600_000 + b"{}]}", "values"),
        (b'"' * 2_000_000, "strings"),
    ],
)
def test_what_parsers_disagree_on_and_what_is_too_much_is_refused_by_name(raw, says) -> None:
    assert says in str(refusal(raw))


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b'{"a": "' + b"x" * 4096 + b'"}', "larger than 4096"),
        (b'{"a": [[[[1]]]]}', "nested 5 deep"),
        (b'{"a": [' + b"1," * 20 + b"1]}", "values"),
        (json.dumps({str(i): i for i in range(11)}).encode(), "11 keys"),
        (b'{"a": 1234567890.1234567890}', "more than 20 characters"),
    ],
)
def test_every_limit_can_be_set(raw, says) -> None:
    assert says in str(refusal(raw, SMALL))


def test_brackets_commas_and_digits_inside_of_texts_count_for_nothing() -> None:
    text = '[[[[[[{{{{,,,,,,,,,,,,,,,,,,,,::::::::::::\\"\\\\' + "9" * 99 + '" : [[[[['
    assert check_body(json.dumps({"a": text, "b\\": text}).encode(), SMALL) == {"a": text, "b\\": text}


def test_a_pair_of_surrogates_is_a_character() -> None:
    assert check_body(rb'{"a": "\ud83d\ude00", "\uD83D\uDE00": "\\ud800"}') == {"a": "😀", "😀": r"\ud800"}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": [{"role": "user", "content": "a"}] * 10_000}, "messages"),
        ({"messages": [{"content": "a"}, {"content": [{"type": "text"}] * 1025}]}, "messages[1].content"),
        ({"input": [{"content": [{"type": "text"}] * 1025}]}, "input[0].content"),
        ({"messages": [{"tool_calls": [{}] * 513}]}, "messages[0].tool_calls"),
        ({"tools": [{}] * 513}, "tools"),
        ({"logit_bias": {str(i): 1 for i in range(2049)}}, "logit_bias"),
        ({"stop": "x" * 1025}, "stop"),
        ({"stop": ["a", "x" * 1025]}, "stop"),
        ({"stop_sequences": ["x" * 1025]}, "stop_sequences"),
    ],
)
def test_lists_that_are_too_long_are_named(body, param) -> None:
    error = refusal(json.dumps(body).encode())
    assert (error.code, error.param) == ("parameter_invalid", param)


@pytest.mark.parametrize("value", [None, 5, "a", [], {}, [5], [None], {"a": 1}])
@pytest.mark.parametrize("name", ["messages", "input", "tools", "logit_bias", "stop", "stop_sequences"])
def test_lists_of_a_wrong_kind_are_left_to_those_who_read_them(name, value) -> None:
    assert check_body(json.dumps({name: value}).encode()) == {name: value}


def test_settings_take_the_place_of_defaults() -> None:
    assert Limits.of([]) == WIDE
    assert Limits.of(["run=5", "body_bytes=1000", "run=7"]) == replace(WIDE, run=7, body_bytes=1000)


@pytest.mark.parametrize(
    "setting", ["", "run", "run=", "run=0", "run=-1", "run=1.5", "run=1e3", "run=x", "runs=5", "=5"]
)
def test_a_setting_that_is_none_is_refused(setting) -> None:
    with pytest.raises(FathomError) as caught:
        Limits.of([setting])
    assert caught.value.status == 400
    assert ("body_bytes" in str(caught.value)) == (setting in ("", "runs=5", "=5"))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_names_every_limit_with_its_default(language) -> None:
    page = (Path(__file__).parents[2] / "docs" / language / "limits.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", page, re.MULTILINE)
    assert {name: int(number.replace(",", "")) for name, number in rows} == asdict(WIDE)


HOSTILE = {
    "nesting": lambda n: b'{"a":' + b"[" * n,
    "keys": lambda n: b'{"' + b'":1,"'.join(b"%d" % i for i in range(n // 10)) + b'":1}',
    "one key": lambda n: b"{" + b'"a":1,' * (n // 6) + b'"a":1}',
    "escapes": lambda n: b'{"a":"' + rb"\n" * (n // 2) + b'"}',
    "backslashes": lambda n: b'{"a":"' + rb"\\" * (n // 2) + b'"}',
    "stray escapes": lambda n: b'{"a":' + rb"\"" * (n // 2),
    "surrogates": lambda n: b'{"a":"' + rb"\ud83d\ude00" * (n // 12) + b'"}',
    "half surrogates": lambda n: b'{"a":"' + rb"\ud83d" * (n // 6) + b'"}',
    "quotes": lambda n: b'"' * n,
    "digits": lambda n: b'{"a":' + b"1" * n + b"}",
    "numbers": lambda n: b'{"a":[' + b"1e5," * (n // 4) + b"1]}",
    "exponents": lambda n: b'{"a":[' + b"1e," * (n // 3) + b"1]}",
    "objects": lambda n: b'{"a":[' + b"{}," * (n // 3) + b"{}]}",
    "blanks": lambda n: b'{"a":' + b" " * n + b"1}",
}


@pytest.mark.parametrize("shape", HOSTILE)
def test_a_megabyte_of_anything_takes_far_less_than_a_second_and_time_grows_linearly(shape) -> None:
    lifted = Limits(values=2**30, keys=2**30, depth=2**30)
    for limits in (WIDE, lifted) if shape != "nesting" else (WIDE,):
        short, long = (_cpu_seconds(HOSTILE[shape](n), limits) for n in (250_000, 1_000_000))
        assert long < 1
        assert long < 10 * short + 0.2


def _cpu_seconds(raw: bytes, limits: Limits) -> float:
    start = time.process_time()
    with suppress(FathomError):
        check_body(raw, limits)
    return time.process_time() - start
