"""The conversation at a terminal: history, messages of several lines, commands; Ctrl-C stops an answer, Ctrl-D ends."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from fathom.errors import FathomError, language
from fathom.files import errors_of

from .answers import Show, answer
from .console import emit, note, plain
from .conversation import Conversation
from .messages import say

__all__ = ["Repl"]

QUOTES = '"""'


class Repl:
    """Reads messages and commands until the end of input."""

    def __init__(self, conversation: Conversation, show: Show, verbose: bool) -> None:
        self.conversation, self.show, self.verbose = conversation, show, verbose
        # \1 and \2 tell readline that what stands between has no width
        self.prompt = ">>> " if plain(sys.stdout) else "\001\033[1;36m\002>>> \001\033[0m\002"

    def run(self) -> None:
        llm = self.conversation.llm  # loads now, so that the first answer comes at once
        note(say("chat.welcome", model=self.conversation.model, context=llm.context_length))
        with _history():
            while self._turn():
                pass

    def _turn(self) -> bool:
        """One message or command; False at the end."""
        try:
            text = self._read()
            if text is None:
                return False
            if command := re.fullmatch(r"/([A-Za-z]+|\?)(?:\s+(.*))?", text, re.DOTALL):
                return self._command(command[1].lower(), (command[2] or "").strip())
            if text:
                answer(self.conversation, text, self.show, self.verbose)
        except KeyboardInterrupt:
            note(say("chat.stopped"))
        except FathomError as error:
            note(f"fathom: {error.message(language())}")
            if error.code == "context_length_exceeded" and self.conversation.turns:
                note(say("chat.full"))
        return True

    def _read(self) -> str | None:
        """The next message, None at the end of input; Ctrl-C drops what was typed."""
        lines: list[str] = []
        quoted = False
        while True:
            try:
                line = input("... " if lines else self.prompt)
            except EOFError:
                emit("")
                return "\n".join(lines).strip() or None
            except KeyboardInterrupt:
                emit("")
                if not lines:
                    note(say("chat.leave"))
                lines, quoted = [], False
                continue
            if not lines and line.lstrip().startswith(QUOTES):
                line, quoted = line.lstrip()[len(QUOTES) :], True
            if quoted:
                quoted = not line.rstrip().endswith(QUOTES)
                lines.append(line if quoted else line.rstrip()[: -len(QUOTES)])
                if quoted:
                    continue
            elif line.endswith("\\"):
                lines.append(line[:-1])
                continue
            else:
                lines.append(line)
            return "\n".join(lines).strip()

    def _command(self, name: str, argument: str) -> bool:
        """Obeys a command; False ends the conversation."""
        talk = self.conversation
        match name:
            case "exit" | "quit" | "bye":
                return False
            case "help" | "?":
                emit(say("chat.help"))
            case "clear":
                talk.turns.clear()
                note(say("chat.cleared"))
            case "system" if argument:
                talk.system, talk.turns = argument, []
                note(say("chat.system_set"))
            case "system":
                emit(talk.system or say("chat.no_system"))
            case "verbose":
                self.verbose = not self.verbose
                note(say("chat.verbose_on" if self.verbose else "chat.verbose_off"))
            case "save" if argument:
                _save(Path(argument).expanduser(), talk.messages)
            case "save":
                note(say("chat.save_where"))
            case _:
                note(say("chat.unknown_command", command=f"/{name}"))
        return True


def _save(path: Path, messages: list[dict[str, str]]) -> None:
    with errors_of(path):
        path.write_text(json.dumps(messages, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    note(say("chat.saved", count=len(messages), path=path))


@contextlib.contextmanager
def _history() -> Iterator[None]:
    """Line editing; lines are kept on disk only in the file FATHOM_HISTORY names."""
    try:
        import readline
    except ImportError:  # Windows: plain input
        yield
        return
    readline.clear_history()
    path = os.environ.get("FATHOM_HISTORY")
    if path:
        with errors_of(path), contextlib.suppress(FileNotFoundError):
            readline.read_history_file(path)
    try:
        yield
    finally:
        if path:
            with errors_of(path):
                os.close(os.open(path, os.O_CREAT, 0o600))  # private from its first byte
                readline.set_history_length(1000)
                readline.write_history_file(path)
