"""``fathom bench``: how fast a model runs here, and how near that is to what the memory allows."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fathom.errors import FathomError
from fathom.files import human

from .console import emit, emit_json, note, progress, short, table
from .messages import say
from .options import CacheDtype, Dummy, Json, Model, Threads

if TYPE_CHECKING:
    from fathom.bench.bench import Bench

__all__ = ["VERBS"]

DEPTHS = (0, 1024, 4096, 16384)
Format = Annotated[str, typer.Option("--format", "--dtype", metavar="FORMAT", help=say("opt.dtype"))]
Decode = Annotated[int, typer.Option(metavar="N", min=1, help=say("bench.decode_tokens"))]
Rounds = Annotated[int, typer.Option(metavar="N", min=1, help=say("bench.rounds"))]
Log = Annotated[Path | None, typer.Option(metavar="FILE", help=say("bench.log"), show_default=False)]


def latency(
    model: Model = "mini",
    dummy: Dummy = None,
    format: Format = "auto",
    cache_dtype: CacheDtype = "auto",
    prompt_tokens: Annotated[int, typer.Option(metavar="N", min=1, help=say("bench.prompt_tokens"))] = 512,
    decode_tokens: Decode = 32,
    rounds: Rounds = 3,
    threads: Threads = None,
    log: Log = None,
    as_json: Json = False,
) -> None:
    from fathom.bench.latency import measure

    bench = _loaded(model, dummy, format, cache_dtype, threads, log, prompt_tokens + decode_tokens + 1)
    result = measure(bench, prompt_tokens, decode_tokens, rounds)
    _finish(result, log, [("decode", result["decode_roof_fraction"])])
    if as_json:
        return emit_json(result)
    prefill = say("bench.first", rate=result["prefill_tok_s"], ms=result["ttft_ms"], tokens=prompt_tokens)
    step = say("bench.step", rate=result["decode_tok_s"], ms=result["tpot_ms"], context=result["context"])
    rows = [("bench.prefill", prefill), ("bench.decode", step), ("bench.roof", _roof(result))]
    rows.append(("bench.python", say("bench.python_line", us=result["python_us_per_step"])))
    _print_facts(result, rows)


def depth(
    model: Model = "mini",
    dummy: Dummy = None,
    format: Format = "auto",
    cache_dtype: CacheDtype = "auto",
    depths: Annotated[str | None, typer.Option(metavar="N,N,...", help=say("bench.depths"), show_default=False)] = None,
    decode_tokens: Decode = 16,
    rounds: Rounds = 3,
    threads: Threads = None,
    log: Log = None,
    as_json: Json = False,
) -> None:
    from fathom.bench.depth import CHUNK, measure

    wanted = _numbers(depths) if depths else ()
    room = max(CHUNK, decode_tokens)
    bench = _loaded(model, dummy, format, cache_dtype, threads, log, max(wanted) + room if wanted else None)
    wanted = wanted or tuple(d for d in DEPTHS if d + room <= bench.llm.context_length)
    result = measure(bench, wanted, decode_tokens, rounds)
    rows = result["depths"]
    _finish(result, log, [(f"decode@{row['depth']}", row["decode_roof_fraction"]) for row in rows])
    if as_json:
        return emit_json(result)
    names = ("depth", "prefill_tok_s", "decode_tok_s", "decode_roof_tok_s")
    cells = [(*(f"{row[name]}" for name in names), f"{row['decode_roof_fraction']:.1%}") for row in rows]
    titles = ("col.depth", "bench.prefill", "bench.decode", "bench.roof", "col.of_roof")
    table([(say(title), True) for title in titles], cells)
    emit("")
    _print_facts(result, [])


def kernels(
    model: Model = "mini",
    dummy: Dummy = None,
    format: Format = "auto",
    cache_dtype: CacheDtype = "auto",
    tokens: Annotated[int, typer.Option(metavar="N", min=1, max=512, help=say("bench.tokens"))] = 1,
    context: Annotated[int, typer.Option(metavar="N", min=0, help=say("bench.context"))] = 512,
    rounds: Rounds = 3,
    threads: Threads = None,
    log: Log = None,
    as_json: Json = False,
) -> None:
    from fathom.bench.kernels import measure

    bench = _loaded(model, dummy, format, cache_dtype, threads, log, context + tokens)
    result = measure(bench, tokens, context, rounds)
    attention = [(f"cache@{context}", part)] if (part := result["cache_roof_fraction"]) else []
    _finish(result, log, [*((row["op"], row["roof_fraction"]) for row in result["ops"]), *attention])
    if as_json:
        return emit_json(result)
    text = [("col.op", False), ("col.kind", False)]
    numbers = ("count", "ms", "time", "read", "compute", "rate", "of_roof")
    columns = [(say(key), number) for key, number in (*text, *((f"col.{name}", True) for name in numbers))]
    total = {**result, "time_share": 1.0, "gb_s": result["bytes"] / result["ms"] / 1e6}
    cells = [(row["op"], row["kind"], f"{row['count']}", *_costs(row)) for row in result["ops"]]
    table(columns, cells, footer=("", "", f"{sum(row['count'] for row in result['ops'])}", *_costs(total)))
    emit("")
    layer = human(result["cache_layer_bytes"])
    line = say("bench.cache_line", part=part, ms=result["cache_ms"], bytes=layer, context=context) if part else "-"
    _print_facts(result, [("bench.cache", line)])


def serve(
    context: typer.Context,
    url: Annotated[str | None, typer.Option(metavar="URL", help=say("bench.url"))] = None,
    model: Model = "mini",
    dummy: Dummy = None,
    format: Format = "auto",
    cache_dtype: CacheDtype = "auto",
    threads: Threads = None,
    requests: Annotated[int | None, typer.Option(metavar="N", min=1, help=say("bench.requests"))] = None,
    seconds: Annotated[float | None, typer.Option(metavar="S", min=0.1, help=say("bench.seconds"))] = None,
    concurrency: Annotated[int, typer.Option(metavar="N", min=1, help=say("bench.concurrency"))] = 32,
    prompt_tokens: Annotated[int, typer.Option(metavar="N", min=1, help=say("bench.prompt_tokens"))] = 128,
    prefix_tokens: Annotated[int, typer.Option(metavar="N", min=0, help=say("bench.prefix_tokens"))] = 0,
    decode_tokens: Annotated[int, typer.Option(metavar="N", min=1, help=say("bench.answer_tokens"))] = 64,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help=say("bench.seed"))] = 0,
    as_json: Json = False,
) -> None:
    from fathom.bench.serve import Load, Server, measure

    if requests and seconds:
        raise FathomError("parameter_invalid", param="--requests", problem="can't be used together with --seconds")
    asked = {"prompt_tokens": prompt_tokens, "prefix_tokens": prefix_tokens, "decode_tokens": decode_tokens}
    count = None if seconds else requests or 32
    load = Load(requests=count, seconds=seconds, concurrency=concurrency, seed=seed, **asked)
    with progress(say("bench.asking"), show=str) as report:
        if url:
            options = ("model", "dummy", "format", "cache_dtype", "threads")
            if name := next((name for name in options if _is_given(context, name)), None):
                param = f"--{name.replace('_', '-')}"
                raise FathomError("parameter_invalid", param=param, problem="is not for a server of --url")
            key = os.environ.get("FATHOM_API_KEY")
            result = measure(_base(url), load, api_key=key, report=report)
        else:
            served = _model_options(model, dummy, format, cache_dtype, threads)
            with Server([*served, "--max-queue", str(concurrency)]) as server:
                before = server.rss_mib
                result = measure(server.url, load, report=report)
                result |= {"rss_start_mib": before, "rss_end_mib": server.rss_mib}
    if as_json:
        return emit_json(result)
    kinds, of = ("mean", "median", "p99"), ("ttft", "tpot", "itl", "e2el")
    summaries = [f"{kind}_{name}_ms" for name in of for kind in kinds]
    facts = [(key, _number(value)) for key, value in result.items() if key not in summaries]
    table([("", False), ("", False)], facts, header=False)
    emit("")
    cells = [(f"{name}_ms", *(_number(result[f"{kind}_{name}_ms"]) for kind in kinds)) for name in of]
    table([("", False), *((kind, True) for kind in kinds)], cells)


VERBS: dict[str, Callable[..., None]] = {"latency": latency, "depth": depth, "kernels": kernels, "serve": serve}


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _base(url: str) -> str:
    """The address of a server, given with or without the /v1 that clients want."""
    base = url.rstrip("/").removesuffix("/v1")
    if not re.fullmatch(r"https?://[^/\s]+(/\S*)?", base):
        raise FathomError("parameter_invalid", param="--url", problem=f"{url!r} is no URL like http://127.0.0.1:11435")
    return base


def _model_options(model: str, dummy: str | None, format: str, cache_dtype: str, threads: int | None) -> list[str]:
    """Of ``fathom serve``. What has no such name is an error, and a dummy made, before one is started."""
    from fathom.hub.store import resolve

    from .convert import chosen

    path = chosen(model, dummy, format)
    resolve(path)
    formats = ["--dtype", format, "--cache-dtype", cache_dtype]
    return ["--model", path, *formats, *(["--threads", str(threads)] if threads else [])]


def _number(value: object) -> str:
    return "-" if value is None else str(value)


def _loaded(
    model: str,
    dummy: str | None,
    format: str,
    cache_dtype: str,
    threads: int | None,
    log: Path | None,
    context: int | None,
) -> Bench:
    from fathom.bench.bench import Bench
    from fathom.bench.record import check_log

    from .conversation import load_model

    check_log(log)
    what = {"model": dummy or model, "dummy": dummy, "dtype": format, "cache_dtype": cache_dtype}
    llm = load_model({**what, "threads": threads, "max_context": context})
    note(say("bench.waiting"))
    return Bench(llm)


def _finish(result: dict[str, Any], log: Path | None, fractions: list[tuple[str, float]]) -> None:
    from fathom.bench.record import write_log

    if not result["quiet"]:
        note(say("bench.not_quiet"))
    if log:
        write_log(log, result, fractions)


def _numbers(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise FathomError("parameter_invalid", param="--depths", problem=f"{text!r} is no list like 0,1024,4096")
    return tuple(int(part) for part in parts)


def _roof(result: dict[str, Any]) -> str:
    read = {"read": result["read_gb_s"], "bytes": human(result["bytes_per_step"])}
    return say("bench.roof_line", part=result["decode_roof_fraction"], rate=result["decode_roof_tok_s"], **read)


def _costs(row: dict[str, Any]) -> tuple[str, ...]:
    flops = short(row["flops"]) if row["flops"] else ""
    share = f"{row['time_share']:.1%}"
    return f"{row['ms']:.3f}", share, human(row["bytes"]), flops, f"{row['gb_s']:.1f}", f"{row['roof_fraction']:.1%}"


def _print_facts(result: dict[str, Any], rows: list[tuple[str, str]]) -> None:
    """What was measured, where, and how the machine was."""
    machine = say("bench.machine_line", cpu=result["cpu"], threads=result["threads"], level=result["level"])
    facts = [("col.model", f"{result['model']} ({result['format']})"), ("bench.machine", machine), *rows]
    facts.append(("bench.read", f"{result['read_gb_s']} GB/s"))
    for key, name, unit in (("bench.memory", "peak_rss_gib", " GiB"), ("bench.others", "other_cpu_percent", " %")):
        if result[name] is not None:
            facts.append((key, f"{result[name]}{unit}"))
    table([("", False), ("", False)], [(say(key), value) for key, value in facts], header=False)
