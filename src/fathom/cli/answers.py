"""How answers leave: streamed as they are, folded to a line each, or as JSON."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable, Iterator

from .console import emit, emit_json, note
from .conversation import Conversation, Turn
from .messages import say

__all__ = ["Show", "answer", "as_it_is", "folded", "in_json", "on_one_line"]

Show = Callable[[Iterator[str], Turn], None]  # writes the pieces of an answer, which also gathers in the turn

LINE_END = re.compile(r"\s*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*")
CONTROLS = {code: "\ufffd" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}


def answer(conversation: Conversation, question: str, show: Show, verbose: bool) -> None:
    """Asks and shows; what the user should know besides goes to standard error."""
    turn = Turn()
    with contextlib.closing(conversation.ask(question, turn)) as pieces:
        show(pieces, turn)
    if turn.finish_reason == "length":
        context = conversation.llm.context_length
        full = turn.prompt_tokens + turn.completion_tokens >= context
        note(say("chat.cut_full", context=context) if full else say("chat.cut", count=turn.completion_tokens))
    if verbose:
        figures = {"prompt": turn.prompt_tokens, "completion": turn.completion_tokens}
        note(say("chat.stats", first=turn.seconds_to_first, rate=turn.tokens_per_second, **figures))


def as_it_is(pieces: Iterator[str], turn: Turn) -> None:
    """Streams, and ends the line whatever happens: what was said is never glued to the next line."""
    try:
        for piece in pieces:  # a terminal draws control characters of a model, it does not obey them
            emit(piece.translate(CONTROLS) if sys.stdout.isatty() else piece, end="")
    finally:
        if turn.answer or turn.finish_reason != "interrupted":
            emit("")


def on_one_line(pieces: Iterator[str], turn: Turn) -> None:
    as_it_is(folded(pieces), turn)


def in_json(pieces: Iterator[str], turn: Turn) -> None:
    for _ in pieces:
        pass
    emit_json(turn.to_json())


def folded(pieces: Iterator[str]) -> Iterator[str]:
    """The same text on one line: white space with a line end in it becomes a space, at both ends it falls away."""
    gap, begun = "", False
    for piece in pieces:
        text = gap + piece
        body = text.rstrip()
        gap = text[len(body) :]
        if not begun:
            body = body.lstrip()
        if body:
            begun = True
            yield LINE_END.sub(" ", body)
