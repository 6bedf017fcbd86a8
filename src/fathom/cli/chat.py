"""``fathom chat``: one question, the lines of a pipe, or a conversation at the terminal."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from fathom.errors import FathomError

from .console import emit, emit_json, note
from .conversation import Conversation, Turn
from .convert import chosen
from .messages import say
from .options import Context, Dtype, Dummy, Model, Threads

__all__ = ["chat"]

LINE_END = re.compile(r"\s*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*")


def chat(
    prompt: Annotated[
        str | None, typer.Argument(metavar="[PROMPT]", help=say("chat.prompt"), show_default=False)
    ] = None,
    model: Model = "mini",
    dummy: Dummy = None,
    system: Annotated[str | None, typer.Option("-s", "--system", metavar="TEXT", help=say("chat.system"))] = None,
    dtype: Dtype = "auto",
    context: Context = None,
    threads: Threads = None,
    temperature: Annotated[float | None, typer.Option(metavar="X", help=say("chat.temperature"))] = None,
    top_p: Annotated[float | None, typer.Option(metavar="P", help=say("chat.top_p"))] = None,
    top_k: Annotated[int | None, typer.Option(metavar="N", help=say("chat.top_k"))] = None,
    min_p: Annotated[float | None, typer.Option(metavar="P", help=say("chat.min_p"))] = None,
    repetition_penalty: Annotated[float | None, typer.Option(metavar="X", help=say("chat.repetition"))] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help=say("chat.seed"))] = None,
    max_tokens: Annotated[int | None, typer.Option(metavar="N", help=say("chat.max_tokens"))] = None,
    stop: Annotated[list[str] | None, typer.Option(metavar="TEXT", help=say("chat.stop"))] = None,
    schema: Annotated[Path | None, typer.Option(metavar="FILE", help=say("chat.schema"))] = None,
    as_json: Annotated[bool, typer.Option("--json", help=say("chat.json"))] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help=say("chat.verbose"))] = False,
) -> None:
    sampling = {
        "temperature": temperature,
        "top_p": top_p,
        "top_k": top_k,
        "min_p": min_p,
        "repetition_penalty": repetition_penalty,
        "seed": seed,
        "max_tokens": max_tokens,
        "stop": tuple(stop) if stop else None,
        "json_schema": _schema(schema) if schema else None,
    }
    load = {"model": chosen(model, dummy, dtype), "dtype": dtype, "max_context": context, "threads": threads}
    given = {name: value for name, value in sampling.items() if value is not None}  # the rest is the model's choice
    conversation = Conversation(load, given, _checked(system, "--system") if system else None)

    if prompt is None and sys.stdin.isatty() and sys.stdout.isatty():
        from .repl import Repl

        Repl(conversation, verbose).run()
        return
    show = _show_json if as_json else _show
    if prompt is None:
        _lines(conversation, show, verbose)
    else:
        question = _checked(prompt, "PROMPT")
        if not sys.stdin.isatty() and (material := _decode(sys.stdin.buffer.read(), 0).strip()):
            question = f"{question}\n\n{material}"
        _answer(conversation, question, show, verbose, fold=False)


def _lines(conversation: Conversation, show: Show, verbose: bool) -> None:
    """Each line of the pipe is a turn, answered on one line; empty lines are no turns."""
    offset, asked = 0, False
    for line in sys.stdin.buffer:
        text = _decode(line, offset).strip()
        offset += len(line)
        if text:
            asked = True
            _answer(conversation, text, show, verbose, fold=True)
    if not asked:
        raise FathomError("prompt_empty")


Show = Callable[[Iterator[str], Turn, bool], None]


def _answer(conversation: Conversation, question: str, show: Show, verbose: bool, *, fold: bool) -> None:
    turn = Turn()
    with contextlib.closing(conversation.ask(question, turn)) as pieces:  # type: ignore[type-var]
        show(pieces, turn, fold)
    if turn.finish_reason == "length":
        note(say("chat.cut", count=turn.completion_tokens))
    if verbose:
        note(stats(turn))


def stats(turn: Turn) -> str:
    return say(
        "chat.stats",
        prompt=turn.prompt_tokens,
        first=turn.seconds_to_first,
        completion=turn.completion_tokens,
        rate=turn.tokens_per_second,
    )


def _show(pieces: Iterator[str], turn: Turn, fold: bool) -> None:
    """Streams the answer and ends its line, whatever happens: a part that was said is never glued to the next line."""
    said = False
    try:
        for piece in folded(pieces) if fold else pieces:
            emit(piece, end="")
            said = True
    finally:
        if said or turn.finish_reason != "interrupted":
            emit("")


def _show_json(pieces: Iterator[str], turn: Turn, fold: bool) -> None:
    del fold  # JSON has its own line ends
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


def _decode(data: bytes, offset: int) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FathomError("encoding", where="stdin", offset=offset + error.start) from None


def _checked(text: str, where: str) -> str:
    """Command-line text; bytes of the shell that are no UTF-8 arrive as surrogates."""
    try:
        return os.fsencode(text).decode("utf-8")
    except UnicodeDecodeError as error:
        raise FathomError("encoding", where=where, offset=error.start) from None


def _schema(path: Path) -> Any:
    import json

    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise FathomError("file_unreadable", path=path, problem=error.strerror) from None
    except ValueError as error:
        raise FathomError("file_malformed", path=path, format="JSON", problem=error) from None
