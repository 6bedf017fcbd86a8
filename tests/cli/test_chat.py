"""One question, or the lines of a pipe; standard output carries the answers alone."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.cli.answers import as_it_is, folded
from fathom.cli.conversation import Turn

CLOSED = {"type": "object", "additionalProperties": False}
SHORT = ("--temperature", "0", "--max-tokens", "16")


@given(st.text(alphabet="ab \n\t\r\u2028。", max_size=30), st.data())
def test_folding_keeps_every_word_on_one_line_however_the_text_is_cut(text, data) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    line = "".join(folded(pieces))
    assert line.split() == text.split()
    assert len(line.splitlines()) <= 1
    assert line == line.strip()


def test_folding_keeps_spaces_that_are_no_line_ends() -> None:
    assert "".join(folded(["a  b", " \n\n", "c"])) == "a  b c"


def test_terminal_draws_control_characters_and_a_pipe_passes_them(monkeypatch, capsys) -> None:
    as_it_is(iter(["\x1b[2J", "a\n\tb"]), Turn(finish_reason="stop"))
    assert capsys.readouterr().out == "\x1b[2Ja\n\tb\n"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    as_it_is(iter(["\x1b[2J", "a\n\tb\x9b"]), Turn(finish_reason="stop"))
    assert capsys.readouterr().out == "\ufffd[2Ja\n\tb\ufffd\n"


def test_lines_of_a_pipe_are_turns_of_one_conversation(fathom, mini) -> None:
    done = fathom("chat", "-m", mini, *SHORT, stdin="你好\n\nWhat is the capital of France?\r\n".encode())
    assert done.code == 0
    assert len(done.out.splitlines()) == 2
    assert all(line.strip() for line in done.out.splitlines())


def test_json_gives_one_object_a_turn_and_the_second_prompt_holds_the_first(fathom, mini) -> None:
    done = fathom("chat", "-m", mini, *SHORT, "--json", stdin=b"hello\nagain\n")
    first, second = map(json.loads, done.out.splitlines())
    assert set(first) == {"answer", "finish_reason", "usage", "timings"}
    assert first["finish_reason"] in ("stop", "length")
    usage = first["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert second["usage"]["prompt_tokens"] > usage["total_tokens"]


def test_pipe_is_the_material_of_a_prompt(fathom, mini) -> None:
    alone = json.loads(fathom("chat", "Summarise.", "-m", mini, *SHORT, "--json").out)
    done = fathom("chat", "Summarise.", "-m", mini, *SHORT, "--json", stdin=b"line one\nline two\n")
    assert done.out.count("\n") == 1
    assert json.loads(done.out)["usage"]["prompt_tokens"] > alone["usage"]["prompt_tokens"]


def test_same_seed_same_answer(fathom, mini) -> None:
    call = ("chat", "Tell me a story.", "-m", mini, "--max-tokens", "20", "--temperature", "1", "--seed")
    assert fathom(*call, "7").out == fathom(*call, "7").out != fathom(*call, "8").out


def test_answer_follows_a_schema(fathom, mini, tmp_path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps({**CLOSED, "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}))
    done = fathom("chat", "Is water wet?", "-m", mini, "--schema", schema, "--max-tokens", "60")
    assert isinstance(json.loads(done.out)["ok"], bool)


def test_cut_answers_are_told_on_standard_error(fathom, mini) -> None:
    done = fathom("chat", "Tell me a long story.", "-m", mini, "--temperature", "0", "--max-tokens", "3")
    assert "cut at 3 tokens" in done.err


def test_answers_cut_by_the_context_do_not_blame_max_tokens(fathom, mini) -> None:
    done = fathom("chat", "Tell me a long story about a cat.", "-m", mini, "--temperature", "0", "--context", "16")
    assert (done.code, done.err) == (0, "(cut: the context of 16 tokens is full)\n")


def test_byte_order_mark_of_a_pipe_is_no_text(fathom, mini) -> None:
    plain, marked = (fathom("chat", "-m", mini, "--json", stdin=b + b"hello\r\n").out for b in (b"", b"\xef\xbb\xbf"))
    assert json.loads(plain)["usage"]["prompt_tokens"] == json.loads(marked)["usage"]["prompt_tokens"]


@pytest.mark.parametrize(
    ("option", "value"),
    [("--temperature", "-1"), ("--top-p", "1.5"), ("--repetition-penalty", "-2")],
)
def test_parameters_out_of_range_are_named(fathom, mini, option, value) -> None:
    done = fathom("chat", "hello", "-m", mini, option, value)
    assert (done.code, done.out) == (2, "")
    assert option.strip("-").replace("-", "_") in done.err
    assert done.err.count("\n") == 1


def test_prompt_over_the_context_is_an_error(fathom, mini) -> None:
    done = fathom("chat", "hello " * 500, "-m", mini, "--context", "64")
    assert (done.code, done.out) == (1, "")
    assert "64" in done.err
