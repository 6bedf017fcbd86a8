"""Calls are written, constrained and read in one format; what can't be read is text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.errors import FathomError
from fathom.text.tools import (
    DEEPSEEK,
    DEEPSEEK_V31,
    GENERIC,
    CallReader,
    ToolCall,
    ToolFormat,
    calls_grammar,
    checked_tools,
)

FORMS = pytest.mark.parametrize("form", [GENERIC, DEEPSEEK, DEEPSEEK_V31], ids=["generic", "deepseek", "v3.1"])
CALLS = (ToolCall("get_weather", '{"city":"巴黎","note":"}<tool_call></tool_call>"}'), ToolCall("f.g-1", "{}"))


def read(form: ToolFormat, pieces: list[str]) -> tuple[str, tuple[ToolCall, ...]]:
    reader = CallReader(form)
    text = "".join(reader.push(piece) for piece in pieces) + reader.finish()
    return text, reader.calls


@FORMS
@given(st.data())
def test_written_calls_are_read_back_from_any_pieces(form: ToolFormat, data: st.DataObject) -> None:
    written = "Let me see. " + form.write(CALLS)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(written)))))
    pieces = [written[a:b] for a, b in zip([0, *cuts], [*cuts, len(written)], strict=True)]
    assert read(form, pieces) == ("Let me see. ", CALLS)


@FORMS
def test_calls_that_break_off_come_back_as_text(form: ToolFormat) -> None:
    broken = "So: " + form.write(CALLS[:1])[: len(form.opening + form.before) + 5]
    assert read(form, [broken]) == (broken, ())
    assert read(form, ["no calls <"]) == ("no calls <", ())


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>\n{"name": "f", "arguments": {"a": "x", "n": 2}}\n</tool_call>\n',
        "<tool_call>f<arg_key>a</arg_key><arg_value>x</arg_value><arg_key>n</arg_key><arg_value>2</arg_value></tool_call>",
        "<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>x</arg_value>\n"
        "<arg_key>n</arg_key>\n<arg_value>2</arg_value>\n</tool_call>",
    ],
)
def test_tagged_calls_of_other_models_are_read(text: str) -> None:
    assert read(GENERIC, ["ok ", text]) == ("ok ", (ToolCall("f", '{"a":"x","n":2}'),))


def test_what_follows_the_calls_is_not_lost_from_the_calls_before_it() -> None:
    text, calls = read(GENERIC, [GENERIC.write(CALLS[:1]) + '<tool_call>{"name":"cut'])
    assert (text, calls) == ("", CALLS[:1])


def test_the_grammar_names_control_tokens_by_id_and_can_require_a_call() -> None:
    tools = checked_tools([{"function": {"name": "f"}}, {"function": {"name": "g", "parameters": {"type": "object"}}}])
    controls = {
        name: i
        for i, name in enumerate(
            [
                "<｜tool▁calls▁begin｜>",
                "<｜tool▁call▁begin｜>",
                "<｜tool▁sep｜>",
                "<｜tool▁call▁end｜>",
                "<｜tool▁calls▁end｜>",
            ]
        )
    }
    grammar = calls_grammar(tools, DEEPSEEK, controls, required=True, parallel=False)
    assert "start: calls\n" in grammar
    assert 'call1: <[1]> "function" <[2]> "g\\n```json\\n" arguments1 "\\n```" <[3]>' in grammar
    assert "TEXT" in calls_grammar(tools, GENERIC, {})


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        ("f", "tools[0]"),
        ({"type": "retrieval"}, "tools[0]"),
        ({"function": {"name": "a b"}}, "tools[0].function.name"),
        ({"function": {"name": "f", "parameters": "x"}}, "tools[0].function.parameters"),
    ],
)
def test_malformed_tools_are_named(tool: object, param: str) -> None:
    with pytest.raises(FathomError) as caught:
        checked_tools([tool])  # type: ignore[list-item]
    assert caught.value.param == param
