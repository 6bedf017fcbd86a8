"""The verbs of ``fathom``, put together."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from fathom import __version__

from . import bench, chat, convert, data, doctor, eval, mask, models, serve, trace, train
from .console import emit, plain
from .messages import say

__all__ = ["build"]


def _version(wanted: bool) -> None:
    if wanted:
        emit(f"fathom {__version__}")
        raise typer.Exit


def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help=say("app.version"))
    ] = False,
) -> None:
    del version


def build() -> Any:
    """The command line; help is drawn with rich on a terminal and plain in a pipe."""
    style: Any = {
        "rich_markup_mode": None if plain(sys.stdout) else "rich",
        "no_args_is_help": True,
        "pretty_exceptions_enable": False,
    }
    settings: Any = {"help_option_names": ["-h", "--help"]}
    top = typer.Typer(help=say("app"), epilog=say("app.epilog"), context_settings=settings, **style)
    top.callback()(_top)
    top.command("chat", help=say("chat"))(chat.chat)
    top.command("serve", help=say("serve"))(serve.serve)
    top.command("mask", help=say("mask"))(mask.mask)
    group = typer.Typer(help=say("models"), context_settings=settings, **style)
    for name, verb in models.VERBS.items():
        group.command(name, help=say(f"models.{name}"))(verb)
    top.add_typer(group, name="models")
    top.command("pull", help=say("pull"))(models.pull)
    top.command("quantize", help=say("quantize"))(convert.quantize)
    top.command("export", help=say("export"))(convert.export)
    top.command("dummy", help=say("dummy"))(convert.dummy)
    group = typer.Typer(help=say("bench"), context_settings=settings, **style)
    for name, verb in bench.VERBS.items():
        group.command(name, help=say(f"bench.{name}"))(verb)
    top.add_typer(group, name="bench")
    group = typer.Typer(help=say("data"), context_settings=settings, **style)
    for name, verb in data.VERBS.items():
        group.command(name, help=say(f"data.{name}"))(verb)
    top.add_typer(group, name="data")
    group = typer.Typer(help=say("train"), context_settings=settings, **style)
    for name, verb in train.VERBS.items():
        group.command(name, help=say(f"train.{name}"))(verb)
    top.add_typer(group, name="train")
    group = typer.Typer(help=say("eval"), context_settings=settings, **style)
    for name, verb in eval.VERBS.items():
        group.command(name, help=say(f"eval.{name}"))(verb)
    top.add_typer(group, name="eval")
    top.command("trace", help=say("trace"))(trace.trace)
    top.command("doctor", help=say("doctor"))(doctor.doctor)
    return typer.main.get_command(top)
