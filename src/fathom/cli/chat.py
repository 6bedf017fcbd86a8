"""``fathom chat``: one question, the lines of a pipe, or a conversation at the terminal."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from fathom.errors import FathomError

from .answers import Show, answer, as_it_is, in_json, on_one_line
from .conversation import Conversation
from .convert import chosen
from .messages import say
from .options import CacheDtype, Context, Dtype, Dummy, Model, Threads

__all__ = ["chat"]


def chat(
    prompt: Annotated[str | None, typer.Argument(metavar="PROMPT", help=say("chat.prompt"), show_default=False)] = None,
    model: Model = "mini",
    dummy: Dummy = None,
    system: Annotated[str | None, typer.Option("-s", "--system", metavar="TEXT", help=say("chat.system"))] = None,
    dtype: Dtype = "auto",
    cache_dtype: CacheDtype = "auto",
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
    path = chosen(model, dummy, dtype)
    load = {"model": path, "dtype": dtype, "cache_dtype": cache_dtype, "max_context": context, "threads": threads}
    given = {name: value for name, value in sampling.items() if value is not None}  # the rest is the model's choice
    conversation = Conversation(load, given, _checked(system, "--system") if system else None)

    if prompt is not None:
        question = _checked(prompt, "PROMPT")
        if not sys.stdin.isatty() and (material := _decode(sys.stdin.buffer.read(), 0).strip()):
            question = f"{question}\n\n{material}"
        answer(conversation, question, in_json if as_json else as_it_is, verbose)
    elif sys.stdin.isatty() and sys.stdout.isatty():
        from .repl import Repl

        Repl(conversation, in_json if as_json else as_it_is, verbose).run()
    else:
        _lines(conversation, in_json if as_json else on_one_line, verbose)


def _lines(conversation: Conversation, show: Show, verbose: bool) -> None:
    """Each line of the pipe is a turn, answered on one line; empty lines are no turns."""
    offset, asked = 0, False
    for line in sys.stdin.buffer:
        text = _decode(line, offset).strip()
        offset += len(line)
        if text:
            asked = True
            answer(conversation, text, show, verbose)
    if not asked:
        raise FathomError("prompt_empty")


def _decode(data: bytes, offset: int) -> str:
    try:
        text = data.decode("utf-8")
        return text if offset else text.removeprefix("\ufeff")  # a byte order mark is no text
    except UnicodeDecodeError as error:
        raise FathomError("encoding", where="stdin", offset=offset + error.start) from None


def _checked(text: str, where: str) -> str:
    """Command-line text; bytes of the shell that are no UTF-8 arrive as surrogates."""
    try:
        return os.fsencode(text).decode("utf-8")
    except UnicodeDecodeError as error:
        raise FathomError("encoding", where=where, offset=error.start) from None


def _schema(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise FathomError("file_unreadable", path=path, problem=error.strerror) from None
    except ValueError as error:
        raise FathomError("file_malformed", path=path, format="JSON", problem=error) from None
