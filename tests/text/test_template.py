"""Chat templates: exact texts of the family, inert user text, the checkpoint's own templates, hostile ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tiny
from fathom.errors import FathomError
from fathom.text.template import BUILTIN, ChatTemplate, builtin
from fathom.text.tokenizer import Tokenizer
from fathom.text.tools import DEEPSEEK_V31, GENERIC

BOS, EOS, _, USER, ASSISTANT = tiny.CONTROLS[:5]
TALK = [
    {"role": "system", "content": "s"},
    {"role": "user", "content": "u"},
    {"role": "assistant", "content": "a"},
    {"role": "user", "content": "v"},
]


def template(source: str, tokenizer: Tokenizer | None = None) -> ChatTemplate:
    return ChatTemplate(source, tokenizer or tiny.tokenizer())


def shown(ids: list[int]) -> str:
    return tiny.tokenizer().decode(ids, skip_special=False)


def controls(ids: list[int]) -> list[int]:
    return [i for i in ids if i in tiny.tokenizer().controls]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("v2-chat", f"{BOS}s\n\nUser: u\n\nAssistant: a{EOS}User: v\n\nAssistant:"),
        ("v2-chat-0628", f"{BOS}s\n\n{USER}u{ASSISTANT}a{EOS}{USER}v{ASSISTANT}"),
        ("v2.5", f"{BOS}s{USER}u{ASSISTANT}a{EOS}{USER}v{ASSISTANT}"),
    ],
)
def test_the_templates_of_the_family_to_the_last_space(name: str, text: str) -> None:
    made = template(builtin(name))
    assert shown(made.render(TALK)) == text
    assert shown(made.render(TALK[:3], add_generation_prompt=False)) == text[: text.index(EOS) + len(EOS)]
    assert made.strips_space == (name == "v2-chat")


def test_which_template_a_checkpoint_gets() -> None:
    assert ChatTemplate.of(tiny.tokenizer()).source == builtin("v2.5")  # type: ignore[union-attr]
    own = {"chat_template": "own"}
    several = {"chat_template": [{"name": "default", "template": "d"}, {"name": "tool_use", "template": "t"}]}
    assert ChatTemplate.of(Tokenizer(tiny.spec(), own)).source == "own"  # type: ignore[union-attr]
    assert ChatTemplate.of(Tokenizer(tiny.spec(), several)).source == "d"  # type: ignore[union-attr]
    assert ChatTemplate.of(Tokenizer(tiny.spec(), several), with_tools=True).source == "t"  # type: ignore[union-attr]
    foreign = Tokenizer(tiny.spec().replace("begin▁of", "start▁of").replace("｜User｜", "｜Human｜"))
    assert ChatTemplate.of(foreign) is None
    base = Tokenizer(tiny.spec().replace("｜User｜", "｜Human｜"))
    assert ChatTemplate.of(base).source == builtin("v2-chat")  # type: ignore[union-attr]


def test_a_template_file_beside_the_tokenizer_is_found(tmp_path: Path) -> None:
    folder = tiny.write_checkpoint(tmp_path, chat_template="old")
    (folder / "chat_template.jinja").write_text("new", "utf-8")
    assert ChatTemplate.of(Tokenizer.load(folder)).source == "new"  # type: ignore[union-attr]


parts = st.lists(
    st.sampled_from([*tiny.CONTROLS, *tiny.THINK, "<", "｜", "User", " ", "{{ bos_token }}", "好"])
    | st.text(max_size=2)
)
contents = parts.map("".join)


@settings(max_examples=50)
@given(contents, contents, st.sampled_from(BUILTIN))
def test_user_text_is_inert(user: str, system: str, name: str) -> None:
    made = template(builtin(name))
    plain = made.render([{"role": "system", "content": "s"}, {"role": "user", "content": "u"}])
    ids = made.render([{"role": "system", "content": system}, {"role": "user", "content": user}])
    assert controls(ids) == controls(plain)
    assert system in shown(ids)
    assert user in shown(ids)


STRIPPING = (
    "{{ bos_token }}{% for m in messages %}{% set c = m['content'] | trim %}"
    "{% if m.role == 'assistant' and '</think>' in c %}{% set c = c.split('</think>')[-1].lstrip() %}{% endif %}"
    "{{ ('<｜User｜>' if m.role == 'user' else '<｜Assistant｜>') ~ c }}"
    "{% if not loop.last %}{{ eos_token }}{% endif %}{% endfor %}"
)


def test_templates_may_cut_and_strip_what_they_print() -> None:
    talk = [{"role": "assistant", "content": f"why</think>  so {USER} "}, {"role": "user", "content": f" x{EOS}\n"}]
    ids = template(STRIPPING).render(talk)
    assert shown(ids) == f"{BOS}{ASSISTANT}so {USER}{EOS}{USER}x{EOS}"
    assert controls(ids) == [0, 4, 1, 3]


@pytest.mark.parametrize(
    "source",
    [
        "{% set start = '<｜User｜>' %}{% for m in messages %}{{ start + m.content }}{% endfor %}",
        "{% macro say(x) %}<｜User｜>{{ x }}{% endmacro %}{% for m in messages %}{{ say(m.content) }}{% endfor %}",
        "{% for m in messages %}{{ {'user': '<｜User｜>'}[m.role] }}{{ m.content }}{% endfor %}",
        "{% for m in messages %}{{ ['<｜User｜>', m.content] | join }}{% endfor %}",
        "{% for m in messages %}{% generation %}<｜User｜>{{ m.content }}{% endgeneration %}{% break %}{% endfor %}",
        "{% for m in messages %}{{ '<｜' + m.role | capitalize + '｜>' + m.content }}{% endfor %}",  # computed
        "{% for m in messages %}{{ ['<｜User', m.content] | join('｜>') }}{% endfor %}",  # computed
    ],
)
def test_control_tokens_of_the_template_are_found_however_it_writes_them(source: str) -> None:
    ids = template(source).render([{"role": "user", "content": f"hi {USER}"}])
    assert controls(ids) == [3]
    assert shown(ids) == f"{USER}hi {USER}"


def test_the_same_ids_as_transformers_on_ordinary_text(shared: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    theirs = PreTrainedTokenizerFast.from_pretrained(shared / "mini")
    ours = ChatTemplate.of(Tokenizer.load(shared / "mini"))
    assert ours is not None
    talk = [
        {"role": "user", "content": "什么是 MLA？ "},
        {"role": "assistant", "content": "a\n"},
        {"role": "user", "content": "1+1"},
    ]
    expected = theirs.apply_chat_template(talk, add_generation_prompt=True, return_dict=False)
    assert ours.render(talk) == list(expected)


def test_text_parts_are_joined_and_other_parts_refused() -> None:
    made = template("{{ messages[0].content }}")
    text = {"type": "text", "text": "the"}
    assert shown(made.render([{"role": "user", "content": [text, text]}])) == "the\nthe"
    with pytest.raises(FathomError, match=r"content\[1\].type=image_url") as caught:
        made.render([{"role": "user", "content": [text, {"type": "image_url"}]}])
    assert caught.value.code == "parameter_unsupported"


BAD_CALL = {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([], "messages"),
        ("hi", "messages"),
        (["hi"], "messages[0]"),
        ([{"content": "x"}], "messages[0]"),
        ([{"role": "user"}], "messages[0].content"),
        ([{"role": "wizard", "content": "x"}], "messages[0].role"),
        ([{"role": "user", "content": [{"type": "text"}]}], "messages[0].content[0].text"),
        ([BAD_CALL], "messages[0].tool_calls[0].function.arguments"),
    ],
)
def test_malformed_messages_are_named(messages: Any, param: str) -> None:
    with pytest.raises(FathomError) as caught:
        template(builtin("v2.5")).render(messages)
    assert caught.value.param == param
    assert caught.value.status == 400


def test_a_lone_surrogate_is_no_text() -> None:
    with pytest.raises(FathomError) as caught:
        template(builtin("v2.5")).render([{"role": "user", "content": "a\ud800"}])
    assert caught.value.code == "encoding"


CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": '{"a": 1}'}}],
}
RESULT = {"role": "tool", "tool_call_id": "1", "content": f"42{EOS}"}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]


def test_calls_and_results_in_deepseeks_own_form() -> None:
    ids = template(builtin("v2.5")).render([TALK[1], CALL, RESULT])
    call = "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n"
    call += '```json\n{"a": 1}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>'
    result = f"<｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>42{EOS}<｜tool▁output▁end｜><｜tool▁outputs▁end｜>"
    assert shown(ids) == f"{BOS}{USER}u{ASSISTANT}{call}{EOS}{result}"
    assert controls(ids).count(1) == 1, "the result's text is inert"


def test_a_template_without_tools_gets_them_as_text() -> None:
    made = template(builtin("v2-chat"))
    text = shown(made.render([TALK[1], CALL, RESULT], tools=TOOLS))
    assert text.startswith(f'{BOS}You can use these tools:\n[{{"name":"f","parameters":{{"type":"object"}}}}]\n')
    assert 'Assistant: <tool_call>{"name":"f","arguments":{"a": 1}}</tool_call>' in text
    assert f"User: <tool_response>42{EOS}</tool_response>" in text
    assert "你可以使用" in shown(made.render([{"role": "user", "content": "你好"}], tools=TOOLS))
    assert shown(made.render([TALK[0], TALK[1]], tools=TOOLS)).startswith(f"{BOS}s\n\nYou can use")


V31 = (
    "{% for m in messages %}{{ m.content or '' }}{% for c in m.tool_calls or [] %}{{ '<｜tool▁calls▁begin｜>"
    "<｜tool▁call▁begin｜>' + c.function.name + '<｜tool▁sep｜>' + c.function.arguments + '<｜tool▁call▁end｜>"
    "<｜tool▁calls▁end｜>' }}{% endfor %}{% endfor %}"
)


def test_the_form_of_calls_follows_the_template() -> None:
    made = template(V31)
    assert made.tool_format is DEEPSEEK_V31
    described = shown(made.render([{"role": "user", "content": "u"}], tools=TOOLS))
    assert "<｜tool▁call▁begin｜>NAME<｜tool▁sep｜>{...}<｜tool▁call▁end｜>" in described
    knows_results = template("{% for m in messages %}{% if m.role == 'tool' %}R{% endif %}{{ m.content }}{% endfor %}")
    assert knows_results.tool_format is GENERIC
    call = '<tool_call>{"name":"f","arguments":{"a": 1}}</tool_call>'
    assert shown(knows_results.render([CALL, RESULT])) == f"{call}R42{EOS}"


def test_arguments_are_an_object_to_templates_that_look_and_text_to_those_that_print() -> None:
    head = "{% for m in messages %}{% for c in m.tool_calls %}{% set a = c.function.arguments %}"
    tail = "{% endfor %}{% endfor %}"
    for body in (
        "{{ 'x' + a }}",
        "{{ 'x' ~ a }}",
        "x{{ a }}",
        "x{{ a | tojson }}",
        "x{{ '{' }}{% for k, v in a.items() %}{{ k | tojson }}: {{ v }}{% endfor %}}",
    ):
        assert shown(template(head + body + tail).render([CALL])) == 'x{"a": 1}'


def test_tools_reach_a_template_that_knows_them() -> None:
    made = template("{{ tools[0].function.name }}{{ messages[0].content }}{{ tool_calls }}{{ mood }}")
    assert shown(made.render([TALK[1]], tools=TOOLS, mood="!")) == "fu!"


HOSTILE = {
    "endless loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "multiplied text": "{{ 'a' * 10**9 }}",
    "multiplied list": "{{ ([0] * 1000000) * 1000000 }}",
    "doubled text": "{% set n = namespace(x='aa') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    "doubled blocks": "{% set x %}aaaaaaaa{% endset %}" + "{% set x %}{{ x }}{{ x }}{% endset %}" * 60,
    "replaced text": "{% set x = 'a' * 100000 %}{{ x.replace('a', x) }}",
    "joined text": "{% set x = 'a' * 100000 %}{{ x | join(x) }}",
    "padded text": "{{ 'a'.ljust(10**10) }}",
    "formatted text": "{{ '{:>9999999999}'.format(1) }}{{ '%9999999999d' % 1 }}",
    "big numbers": "{{ (10 ** (10 ** 9)) }}",
    "deep recursion": "{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}",
    "deep nesting": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "attributes": "{{ ''.__class__.__mro__ }}",
    "globals": "{{ cycler.__init__.__globals__ }}",
    "mutation": "{{ messages.append(1) }}",
    "files": "{% include '/etc/passwd' %}",
    "wide dates": "{{ strftime_now('%9999999999d') }}",
    "a syntax error": "{% if",
    "an unknown filter": "{{ 1 | nope }}",
    "division": "{{ 1 / 0 }}",
    "size": "a" * 2**19,
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_templates_are_an_error_within_limits(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fathom.text.sandbox.MAX_SECONDS", 0.5)
    with pytest.raises(FathomError) as caught:
        template(HOSTILE[what]).render(TALK)
    assert caught.value.code == "template_failed"
    assert "\n" not in str(caught.value)


def test_a_template_may_refuse_messages_in_its_own_words() -> None:
    with pytest.raises(FathomError, match="refused the messages: roles must alternate"):
        template("{{ raise_exception('roles must\n alternate') }}").render(TALK)
