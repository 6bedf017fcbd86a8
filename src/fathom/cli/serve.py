"""``fathom serve``: the OpenAI-compatible API over one model, or the privacy gateway in front of another server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fathom.errors import Both, FathomError

from .console import note
from .convert import chosen
from .gateway import Asked, run_gateway
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
    upstream: Annotated[
        str | None, typer.Option(metavar="URL", help=say("gateway.upstream"), envvar="FATHOM_UPSTREAM")
    ] = None,
    upstream_key_file: Annotated[Path | None, typer.Option(metavar="FILE", help=say("gateway.key"))] = None,
    upstream_timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=1, help=say("gateway.timeout"))
    ] = None,
    types: Annotated[str | None, typer.Option(metavar="LIST", help=say("mask.types"))] = None,
    operator: Annotated[list[str] | None, typer.Option(metavar="NAME", help=say("gateway.operator"))] = None,
    dictionary: Annotated[Path | None, typer.Option(metavar="FILE", help=say("mask.dict"))] = None,
    pattern: Annotated[list[str] | None, typer.Option(metavar="X", help=say("mask.pattern"))] = None,
    allow: Annotated[Path | None, typer.Option(metavar="FILE", help=say("mask.allow"))] = None,
    threshold: Annotated[float | None, typer.Option(metavar="SCORE", help=say("mask.threshold"))] = None,
    strict: Annotated[bool, typer.Option("--strict", help=say("mask.strict"))] = False,
    attachments: Annotated[str | None, typer.Option(metavar="POLICY", help=say("gateway.attachments"))] = None,
    leaks: Annotated[str | None, typer.Option(metavar="POLICY", help=say("gateway.leaks"))] = None,
    vault_dir: Annotated[Path | None, typer.Option(metavar="DIR", help=say("gateway.vault_dir"))] = None,
    vault_ttl: Annotated[float | None, typer.Option(metavar="SECONDS", min=1, help=say("gateway.vault_ttl"))] = None,
    privacy_page: Annotated[bool, typer.Option("--privacy-page", help=say("gateway.page"))] = False,
) -> None:
    from fathom.guard.limits import Limits
    from fathom.server.process import read_api_key

    limits = Limits.of(limit or ())
    asked = Asked(
        upstream_key_file=upstream_key_file,
        upstream_timeout=upstream_timeout,
        types=types,
        operator=operator or None,
        dictionary=dictionary,
        pattern=pattern or None,
        allow=allow,
        threshold=threshold,
        strict=strict or None,
        attachments=attachments,
        leaks=leaks,
        vault_dir=vault_dir,
        vault_ttl=vault_ttl,
        privacy_page=privacy_page or None,
    )
    if upstream is not None:
        local = (model != "mini", dummy, dtype != "auto", cache_dtype != "auto", context, threads, max_queue != 16)
        if any(local):
            problem = Both("not together with options of a model that runs here", "不能与本机模型的选项同用")
            raise FathomError("parameter_invalid", param="--upstream", problem=problem)
        key = read_api_key(api_key_file)
        raise typer.Exit(run_gateway(upstream, asked, host=host, port=port, api_key=key, limits=limits))
    for name, value in asked._asdict().items():
        if value is not None:
            problem = Both("goes with --upstream only", "只能与 --upstream 同用")
            raise FathomError("parameter_invalid", param=f"--{name.replace('_', '-')}", problem=problem)
    from fathom.hub.store import resolve
    from fathom.server.serve import serve as run

    from .conversation import load_model

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
