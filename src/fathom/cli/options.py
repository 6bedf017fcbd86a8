"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .messages import say

__all__ = ["CacheDtype", "Context", "Destination", "Dtype", "Dummy", "Json", "Model", "Source", "Threads"]

Model = Annotated[str, typer.Option("-m", "--model", metavar="M", help=say("opt.model"), envvar="FATHOM_MODEL")]
Dummy = Annotated[str | None, typer.Option("--dummy", metavar="NAME", help=say("opt.dummy"))]
Dtype = Annotated[str, typer.Option("--dtype", metavar="FORMAT", help=say("opt.dtype"))]
CacheDtype = Annotated[str, typer.Option("--cache-dtype", metavar="FORMAT", help=say("opt.cache_dtype"))]
Context = Annotated[int | None, typer.Option("--context", metavar="N", min=1, help=say("opt.context"))]
Threads = Annotated[int | None, typer.Option("--threads", metavar="N", min=1, help=say("opt.threads"))]
Json = Annotated[bool, typer.Option("--json", help=say("opt.json"))]
Source = Annotated[str, typer.Argument(metavar="SRC", help=say("arg.src"))]
Destination = Annotated[Path, typer.Argument(metavar="DST", help=say("arg.dst"))]
