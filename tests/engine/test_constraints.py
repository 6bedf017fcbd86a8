"""Constrained decoding: whatever the logits say, the text is valid; bad grammars are named, within limits."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import numpy as np
import pytest

import tiny
from fathom.engine.constraints import Grammars
from fathom.engine.sampling import Sampler, SamplingParams
from fathom.errors import FathomError
from fathom.text.tools import DEEPSEEK, GENERIC, CallReader, calls_grammar, checked_tools

END = 1
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 8},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "tags": {"type": "array", "items": {"enum": ["a", "好"]}, "maxItems": 3},
        "ok": {"type": "boolean"},
    },
    "required": ["name", "age", "tags", "ok"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def grammars() -> Grammars:
    return Grammars(tiny.tokenizer().grammar_spec(), tiny.VOCAB_SIZE, [END])


def random_text(grammars: Grammars, seed: int, *, limit: int = 400, shown: bool = False, **params: Any) -> str:
    """A text sampled from noise instead of a model; fails if the grammar has not come to its end by the limit."""
    asked = SamplingParams(seed=seed, **params)
    constraint = grammars.constraint(asked)
    assert constraint is not None
    sampler, random = Sampler(asked, tiny.VOCAB_SIZE), np.random.default_rng(seed)
    ids: list[int] = []
    while len(ids) < limit:
        noise = random.standard_normal(tiny.VOCAB_SIZE).astype(np.float32)
        noise[END] += len(ids) / 40  # so that unbounded texts end
        token = sampler.sample(noise, constraint.mask()).id
        if token == END:
            break
        constraint.accept(token)
        ids.append(token)
        if constraint.done:
            break
    else:
        pytest.fail("no end")
    return tiny.tokenizer().decode(ids, skip_special=not shown)


@pytest.mark.parametrize("seed", range(12))
def test_random_logits_give_objects_of_the_schema(grammars: Grammars, seed: int) -> None:
    text = random_text(grammars, seed, json_schema=SCHEMA)
    value = json.loads(text)
    assert list(value) == ["name", "age", "tags", "ok"]
    assert isinstance(value["name"], str)
    assert len(value["name"]) <= 8
    assert isinstance(value["age"], int)
    assert 0 <= value["age"] <= 120
    assert set(value["tags"]) <= {"a", "好"}
    assert len(value["tags"]) <= 3
    assert isinstance(value["ok"], bool)
    assert not re.search(r"[{,:]\s", re.sub(r'"[^"]*"', '""', text)), "no white space between the parts"


@pytest.mark.parametrize("seed", range(4))
def test_other_grammars_hold_as_well(grammars: Grammars, seed: int) -> None:
    assert re.fullmatch("[a-c]{2,5}-[0-9]{3}", random_text(grammars, seed, regex="[a-c]{2,5}-[0-9]{3}"))
    assert random_text(grammars, seed, choice=("the cat", "好", 'a "quote"\n')) in ("the cat", "好", 'a "quote"\n')
    assert re.fullmatch("(ab)+c", random_text(grammars, seed, grammar='root ::= ("ab")+ "c"'))  # GBNF
    assert re.fullmatch("x+", random_text(grammars, seed, grammar='start: A\nA: "x"+'))  # Lark
    assert json.loads(random_text(grammars, seed, json_schema=json.dumps({"enum": [1, None, "x"]}))) in (1, None, "x")
    flat = {"type": "object", "additionalProperties": {"type": "boolean"}, "maxProperties": 2}
    assert isinstance(json.loads(random_text(grammars, seed, json_schema=flat, limit=2000)), dict)


def test_json_object_begins_with_a_brace(grammars: Grammars) -> None:
    constraint = grammars.constraint(SamplingParams(json_object=True))
    assert constraint is not None
    allowed = np.flatnonzero(constraint.mask())
    assert {tiny.tokenizer().token_bytes(int(i))[:1] for i in allowed} == {b"{"}


def test_control_tokens_and_padding_are_never_allowed_and_the_end_only_where_the_text_may_end(
    grammars: Grammars,
) -> None:
    constraint = grammars.constraint(SamplingParams(regex="(?s:.{2,})"))
    assert constraint is not None
    mask = constraint.mask()
    assert not mask[list(tiny.tokenizer().controls)].any()
    assert not mask[tiny.tokenizer().vocab_size :].any()
    for token in tiny.tokenizer().encode("xyz"):
        constraint.accept(token)
    assert constraint.mask()[END]
    assert not constraint.done


ONE_OR_TWO = {"properties": {"n": {"enum": [1, 2]}}, "required": ["n"], "additionalProperties": False}
TOOLS = checked_tools(
    [
        {"function": {"name": "f", "parameters": ONE_OR_TWO}},
        {"function": {"name": "g", "parameters": {"additionalProperties": False}}},
    ]
)


@pytest.mark.parametrize("form", [GENERIC, DEEPSEEK], ids=["generic", "deepseek"])
@pytest.mark.parametrize("seed", range(4))
def test_required_calls_are_always_readable(grammars: Grammars, form: Any, seed: int) -> None:
    controls = {text: i for i, text in tiny.tokenizer().controls.items()}
    grammar = calls_grammar(TOOLS, form, controls, required=True)
    reader = CallReader(form)
    text = reader.push(random_text(grammars, seed, grammar=grammar, shown=True)) + reader.finish()
    assert text == ""
    assert reader.calls
    for call in reader.calls:
        assert json.loads(call.arguments) in ([{"n": 1}, {"n": 2}] if call.name == "f" else [{}])


@pytest.mark.parametrize("form", [GENERIC, DEEPSEEK], ids=["generic", "deepseek"])
def test_offered_tools_leave_text_free_and_bind_what_begins_as_a_call(grammars: Grammars, form: Any) -> None:
    controls = {text: i for i, text in tiny.tokenizer().controls.items()}
    params = SamplingParams(grammar=calls_grammar(TOOLS, form, controls))
    for text, allowed in (("the <b> cat", True), (form.before + "f" + form.between, True), (form.trigger + "!", False)):
        constraint = grammars.constraint(params)
        assert constraint is not None
        text = form.opening + text if form.opening and text.startswith(form.before) else text
        try:
            for token in tiny.tokenizer().encode(text, allow_special=True):
                constraint.accept(token)
        except FathomError:
            assert not allowed
        else:
            assert allowed


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"json_schema": {"type": "nonsense"}}, "nonsense"),
        ({"json_schema": "{"}, "property name"),
        ({"json_schema": "7"}, ""),
        ({"json_schema": {"$ref": "https://example.com/x"}}, "registry"),
        ({"json_schema": {"type": "integer", "multipleOf": 99999989}}, "multipleOf"),
        ({"json_schema": {"allOf": [{"type": "integer", "multipleOf": n} for n in (997, 1009, 1013)]}}, "multipleOf"),
        ({"grammar": 'start: %json {"type": "integer", "m\\u0075ltipleOf": 1e300}'}, "multipleOf"),
        ({"regex": "("}, ""),
        ({"regex": "(" * 100 + ")" * 100}, "nested 100 deep"),
        ({"grammar": "start: missing"}, "missing"),
        ({"grammar": "root ::= ("}, ""),
        ({"regex": "a" * 300_000}, "300000 characters"),
    ],
)
def test_bad_grammars_are_one_line_errors(grammars: Grammars, params: dict[str, Any], says: str) -> None:
    with pytest.raises(FathomError) as caught:
        grammars.constraint(SamplingParams(**params))
    assert caught.value.code == "grammar_invalid"
    assert caught.value.param == next(iter(params))
    assert says in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_deep_schema_is_refused_before_it_is_walked(grammars: Grammars) -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(20_000):
        schema = {"type": "array", "items": schema}
    with pytest.raises(FathomError, match="recursion depth"):
        grammars.constraint(SamplingParams(json_schema=schema))


def test_answers_of_one_request_share_a_grammar_but_not_its_state(grammars: Grammars) -> None:
    params = SamplingParams(regex="[ab]c")
    first, second = grammars.constraint(params), grammars.constraint(params)
    assert first is not None
    assert second is not None
    (a,) = tiny.tokenizer().encode("a")
    first.accept(a)
    assert not first.mask()[a]
    assert second.mask()[a]
    other = grammars.constraint(SamplingParams(regex="x"))
    assert other is not None
    assert not other.mask()[a]


def test_no_grammar_no_constraint(grammars: Grammars) -> None:
    assert grammars.constraint(SamplingParams()) is None


@pytest.mark.parametrize(
    "params",
    [
        {"json_schema": {"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(8000)}}},
        {"json_schema": {"anyOf": [{"type": "object", "properties": {f"p{i}": {}}} for i in range(4000)]}},
        {"json_schema": {"type": "integer", "multipleOf": 99_991}},
        {"grammar": "start: A\nA: " + " & ".join(f"/.*{i}.*/" for i in range(60))},
        {"regex": "|".join(f"w{i}" for i in range(30_000))},
        {"regex": "((a{1,100}){1,100}){1,100}"},
        {"choice": ["x" * 250_000]},
    ],
    ids=["many properties", "many objects", "multiples", "intersections", "alternatives", "repetitions", "a long text"],
)
def test_hostile_grammars_are_compiled_or_refused_in_seconds(grammars: Grammars, params: dict[str, Any]) -> None:
    start = time.process_time()
    try:
        grammars.constraint(SamplingParams(**params))
    except FathomError as error:
        assert error.code == "grammar_invalid"  # noqa: PT017
    assert time.process_time() - start < 3  # half a second, alone on this machine
