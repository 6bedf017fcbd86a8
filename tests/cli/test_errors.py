"""Whatever goes wrong: one line on standard error, nothing on standard output, the right exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest


def one_line(text: str) -> bool:
    return text.startswith("fathom: ") and text.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["chat", "--nonsense"], "--nonsense"),
        (["frobnicate"], "frobnicate"),
        (["quantize", "a"], "DST"),
        (["quantize", "a", "b"], "--format"),
        (["chat", "--top-k", "many"], "--top-k"),
        (["serve", "--port", "99999999"], "--port"),
    ],
)
def test_wrong_calls_exit_2_and_name_what_is_wrong(fathom, arguments, names) -> None:
    done = fathom(*arguments)
    assert (done.code, done.out) == (2, "")
    assert one_line(done.err)
    assert names in done.err


def test_errors_speak_chinese_in_a_chinese_locale(fathom, monkeypatch) -> None:
    monkeypatch.setenv("FATHOM_LANG", "zh")
    assert "没有选项 --nonsense" in fathom("chat", "--nonsense").err


def test_no_verb_shows_the_help(fathom) -> None:
    done = fathom()
    assert (done.code, done.out) == (2, "")
    assert "doctor" in done.err
    assert done.err.count("\n") > 10


@pytest.mark.parametrize("stdin", [b"", b"\n  \n\t\n"])
def test_empty_pipe_is_an_empty_prompt(fathom, stdin) -> None:
    done = fathom("chat", stdin=stdin)
    assert (done.code, done.out, done.err) == (1, "", "fathom: the prompt is empty\n")


def test_empty_prompt_argument_is_an_error(fathom) -> None:
    assert fathom("chat", "  ").err == "fathom: the prompt is empty\n"


def test_invalid_utf8_names_its_byte(fathom) -> None:
    done = fathom("chat", "describe", stdin="ä".encode() + b"\n\n\xff")
    assert (done.code, done.err) == (1, "fathom: stdin is not valid UTF-8 (byte 4)\n")


def test_invalid_utf8_in_an_argument_names_its_byte() -> None:
    command = [sys.executable, "-m", "fathom.cli", "chat", b"abc\xfe"]
    done = subprocess.run(command, capture_output=True, env={**os.environ, "FATHOM_LANG": "en"}, check=False)
    assert done.returncode == 1
    assert done.stderr == b"fathom: PROMPT is not valid UTF-8 (byte 3)\n"


def test_unknown_model_is_named(fathom) -> None:
    done = fathom("models", "show", "no/such-model")
    assert (done.code, done.out) == (1, "")
    assert one_line(done.err)
    assert "no/such-model" in done.err


def test_unreadable_schema_is_named(fathom, tmp_path) -> None:
    broken = tmp_path / "schema.json"
    broken.write_text("{")
    for path in (broken, tmp_path / "absent.json"):
        done = fathom("chat", "hello", "--schema", path)
        assert (done.code, done.out) == (1, "")
        assert one_line(done.err)
        assert str(path) in done.err


def test_unexpected_errors_are_one_line_with_a_hint(fathom, monkeypatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr("fathom.cli.doctor.machine", broken)
    monkeypatch.delenv("FATHOM_DEBUG", raising=False)
    done = fathom("doctor")
    assert done.code == 1
    assert done.err == "fathom: unexpected error: ZeroDivisionError: by zero (FATHOM_DEBUG=1 shows where)\n"
    monkeypatch.setenv("FATHOM_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        fathom("doctor")


def test_ctrl_c_exits_130() -> None:
    command = [sys.executable, "-m", "fathom.cli", "chat"]
    waiting = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(1.5)  # it waits for a line by now
    waiting.send_signal(signal.SIGINT)
    out, err = waiting.communicate(timeout=10)
    assert (waiting.returncode, out, err) == (130, b"", b"")


def test_ctrl_c_keeps_the_part_that_was_said(mini) -> None:
    command = [sys.executable, "-m", "fathom.cli", "chat", "-m", mini, "Tell me a long story.", "--max-tokens", "3000"]
    command += ["--temperature", "2", "--seed", "1"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as talk:
        said = talk.stdout.read(1)
        talk.send_signal(signal.SIGINT)
        rest, err = talk.communicate(timeout=20)
    assert (talk.returncode, err) == (130, b"")
    assert (said + rest).decode().strip()
    assert rest.endswith(b"\n")


def test_reader_that_leaves_early_is_no_error(mini) -> None:
    command = f"{sys.executable} -m fathom.cli models show {mini} --program | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
