"""``fathom serve``: the OpenAI-compatible API over one model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .console import note
from .conversation import load_model
from .convert import chosen
from .messages import say
from .options import CacheDtype, Context, Dtype, Dummy, Model, Threads

__all__ = ["serve"]


def serve(
    model: Model = "mini",
    dummy: Dummy = None,
    host: Annotated[str, typer.Option(metavar="HOST", help=say("serve.host"), envvar="FATHOM_HOST")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help=say("serve.port"), envvar="FATHOM_PORT")
    ] = 11435,
    max_queue: Annotated[int, typer.Option(metavar="N", min=0, help=say("serve.max_queue"))] = 16,
    dtype: Dtype = "auto",
    cache_dtype: CacheDtype = "auto",
    context: Context = None,
    threads: Threads = None,
    limit: Annotated[list[str] | None, typer.Option(metavar="NAME=N", help=say("serve.limit"))] = None,
    api_key_file: Annotated[Path | None, typer.Option(metavar="FILE", help=say("serve.key"))] = None,
) -> None:
    from fathom.guard.limits import Limits
    from fathom.hub.store import resolve
    from fathom.server.process import read_api_key
    from fathom.server.serve import serve as run

    limits = Limits.of(limit or ())
    path = chosen(model, dummy, dtype)
    resolve(path)  # a name that does not exist is no address to announce
    load = {"model": path, "dtype": dtype, "cache_dtype": cache_dtype, "max_context": context, "threads": threads}
    name = dummy or (Path(model).stem if model.endswith(".gguf") else Path(model).name)
    code = run(
        lambda: load_model(load),
        model_name=name,
        host=host,
        port=port,
        max_queue=max_queue,
        api_key=read_api_key(api_key_file),
        limits=limits,
        announce=lambda url: note(say("serve.ready", url=url, model=name)),
    )
    raise typer.Exit(code)
