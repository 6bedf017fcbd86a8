"""The conversation at a terminal, driven through a pseudo-terminal."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
import time

import pytest

pty = pytest.importorskip("pty", reason="needs a POSIX terminal")


def own_terminal() -> None:
    """In the new process: standard input becomes its controlling terminal, so that Ctrl-C is a signal."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """A program at a terminal of its own."""

    def __init__(self, *command: str, **environment: str) -> None:
        self.master, slave = pty.openpty()
        env = {**os.environ, "FATHOM_LANG": "en", "NO_COLOR": "1", "TERM": "dumb", **environment}
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True, preexec_fn=own_terminal
        )
        os.close(slave)
        self.screen = ""

    def send(self, text: str) -> None:
        os.write(self.master, text.encode())

    def wait(self, pattern: str, seconds: float = 20) -> str:
        """What was written up to and with the pattern; it is consumed."""
        until = time.monotonic() + seconds
        while not (found := re.search(pattern, self.screen)):
            ready, _, _ = select.select([self.master], [], [], max(until - time.monotonic(), 0))
            assert ready, f"{pattern!r} did not come; the screen shows {self.screen!r}"
            try:
                self.screen += os.read(self.master, 65536).decode("utf-8", "replace")
            except OSError as error:  # the program has ended
                raise AssertionError(f"ended before {pattern!r}; the screen shows {self.screen!r}") from error
        before, self.screen = self.screen[: found.end()], self.screen[found.end() :]
        return before.replace("\r\n", "\n")

    def end(self) -> int:
        code = self.process.wait(timeout=20)
        os.close(self.master)
        return code


@pytest.fixture
def chat(mini):
    talk = Terminal(sys.executable, "-m", "fathom.cli", "chat", "-m", mini, "--temperature", "0", "--max-tokens", "12")
    talk.wait(">>> ")
    yield talk
    if talk.process.poll() is None:
        talk.process.kill()
        talk.end()


def test_answers_then_ctrl_d_ends(chat) -> None:
    chat.send("你好\n")
    assert len(chat.wait(">>> ").strip().splitlines()) >= 3  # the question, an answer, the prompt
    chat.send("\x04")
    assert chat.end() == 0


def test_commands(chat, tmp_path) -> None:
    def say(text: str) -> str:
        chat.send(f"{text}\n")
        return chat.wait(">>> ")

    for command in ("/help", "/Help", "/?"):
        assert "/clear" in say(command)
    assert "no system message" in say("/system")
    say("/system Be brief.")
    assert "Be brief." in say("/system").partition("\n")[2]
    assert "no /nonsense" in say("/nonsense")
    assert "Tokens a second are shown" in say("/verbose")
    assert "tokens at" in say("hello")
    target = tmp_path / "talk.json"
    assert "messages: 3" in say(f"/save {target}")
    roles = [message["role"] for message in json.loads(target.read_text())]
    assert roles == ["system", "user", "assistant"]
    assert "/save FILE" in say("/save")
    say("/clear")
    assert "messages: 1" in say(f"/save {target}")
    chat.send("/exit\n")
    assert chat.end() == 0


def test_messages_of_several_lines(chat, tmp_path) -> None:
    chat.send('"""one\n')
    chat.wait(r"\.\.\. ")
    chat.send('two"""\n')
    chat.wait(">>> ")
    chat.send("three \\\n")
    chat.wait(r"\.\.\. ")
    chat.send("four\n")
    chat.wait(">>> ")
    target = tmp_path / "talk.json"
    chat.send(f"/save {target}\n")
    chat.wait(">>> ")
    said = [m["content"] for m in json.loads(target.read_text()) if m["role"] == "user"]
    assert said == ["one\ntwo", "three \nfour"]


def test_mistakes_are_told_and_the_talk_goes_on(chat) -> None:
    chat.send("hello " * 5000 + "\n")
    assert "exceed the context" in chat.wait(r"context of 4096 tokens[^>]*>>> ")
    chat.send("\x04")
    assert chat.end() == 0


def test_ctrl_c_drops_the_line_and_the_talk_goes_on(chat) -> None:
    chat.send("never mind")
    time.sleep(0.2)
    chat.send("\x03")
    chat.wait("Ctrl-D or /exit ends")
    chat.wait(">>> ")
    chat.send("/exit\n")
    assert chat.end() == 0


def test_ctrl_c_stops_an_answer_and_keeps_what_was_said(mini, tmp_path) -> None:
    chat = Terminal(
        sys.executable, "-m", "fathom.cli", "chat", "-m", mini, "--temperature", "2", "--max-tokens", "3000"
    )
    chat.wait(">>> ")
    chat.send("Tell me a long story.\n")
    chat.wait(r"story\.\r?\n\s*\S+")  # it has begun to answer
    chat.send("\x03")
    chat.wait(r"\(stopped\)")
    chat.wait(">>> ")
    target = tmp_path / "talk.json"
    chat.send(f"/save {target}\n")
    chat.wait(">>> ")
    chat.send("/exit\n")
    assert chat.end() == 0
    question, answer = json.loads(target.read_text())
    assert question["content"] == "Tell me a long story."
    assert answer["content"].strip()


def test_history_is_kept_only_where_asked(mini, tmp_path) -> None:
    history = tmp_path / "history"
    command = (sys.executable, "-m", "fathom.cli", "chat", "-m", mini)
    for environment in ({}, {"FATHOM_HISTORY": str(history)}):
        talk = Terminal(*command, HOME=str(tmp_path), **environment)
        talk.wait(">>> ")
        talk.send("/system first\n")
        talk.wait(">>> ")
        talk.send("/exit\n")
        assert talk.end() == 0
        assert history.exists() == bool(environment)
    assert "/system first" in history.read_text()
    assert history.stat().st_mode & 0o777 == 0o600


def test_history_that_cannot_be_written_is_named(mini, tmp_path) -> None:
    command = (sys.executable, "-m", "fathom.cli", "chat", "-m", mini)
    talk = Terminal(*command, FATHOM_HISTORY=str(tmp_path / "absent" / "history"))
    talk.wait(">>> ")
    talk.send("/exit\n")
    assert "unexpected" not in talk.wait("fathom: .*absent/history: No such file")
    assert talk.end() == 1


def test_redirected_output_holds_the_answers_alone(mini) -> None:
    command = (sys.executable, "-m", "fathom.cli", "chat", "-m", mini, "--temperature", "0", "--max-tokens", "8")
    terminal, keyboard = pty.openpty()
    with subprocess.Popen(command, stdin=keyboard, stdout=subprocess.PIPE, text=True) as talk:
        os.write(terminal, "你好\n\x04".encode())
        answer = talk.stdout.read()
    assert answer.count("\n") == 1
    assert ">>>" not in answer
