"""``fathom doctor``: what this machine is, and whether a model fits it, before anything is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from fathom.errors import FathomError
from fathom.files import human

from .console import emit, emit_json, note, table
from .messages import say
from .options import CacheDtype, Dtype, Json

if TYPE_CHECKING:
    from .program import Shape

__all__ = ["doctor"]

EXTRAS = {"train": "torch", "oracle": "llama_cpp"}  # extra: what it brings
PACKAGES = ("numpy", "tokenizers", "safetensors", "gguf", "llguidance", "torch")
COLUMNS = ("bfloat16", "int8", "int4")


def doctor(
    model: Annotated[
        str | None, typer.Option("-m", "--model", metavar="M", help=say("doctor.model"), show_default=False)
    ] = None,
    context: Annotated[int, typer.Option("--context", metavar="N", min=1, help=say("doctor.context"))] = 4096,
    dtype: Dtype = "auto",
    cache_dtype: CacheDtype = "auto",
    as_json: Json = False,
) -> None:
    facts = machine()
    available = facts["memory"]["available"]
    if model is None:
        family = published(context)
        if as_json:
            emit_json({**facts, "context": context, "family": family})
        else:
            show(facts)
            emit("")
            show_family(family, context, available)
        return
    from .program import find

    shape = find(model, dtype, cache_dtype)
    need = needs(shape, context)
    fits = need["total"] <= available
    if as_json:
        emit_json({**facts, "model": model, "context": context, "format": shape.format, "needs": need, "fits": fits})
    else:
        show(facts)
        emit("\n" + say("doctor.needs", model=model, context=context, dtype=shape.format))
        table(
            [("", False), ("", True)],
            [(f"  {say(f'doctor.{part}')}", human(n)) for part, n in need.items()],
            header=False,
        )
    if context > (most := shape.config.max_position_embeddings):
        note(say("doctor.context_over", model=model, most=most))
    if not fits:
        what = f"{model} ({shape.format}, {context} tokens)"
        raise FathomError("memory", what=what, needed=human(need["total"]), free=human(available))
    if not as_json:
        emit(say("doctor.fits"))


def needs(shape: Shape, context: int) -> dict[str, int]:
    """Bytes of memory a model takes while it runs."""
    from fathom.machine import cores
    from fathom.model.formats import scratch_bytes

    parts = {
        "weights": shape.weight_bytes,
        "cache": shape.cache_bytes(context),
        "scratch": scratch_bytes(shape.program, context, cores()),
    }
    return {**parts, "total": sum(parts.values())}


def published(context: int) -> list[dict[str, Any]]:
    """The published models with what each format needs."""
    from fathom.weights.published import published_models

    from .program import find

    models = []
    for name in published_models():
        shape = find(name, "bfloat16")
        models.append({"name": name, "needs": {f: needs(shape.stored_as(f), context)["total"] for f in COLUMNS}})
    return models


def machine() -> dict[str, Any]:
    """Everything worth knowing about this machine."""
    import importlib.metadata
    import platform
    import shutil

    from fathom import __version__
    from fathom.bench.record import processor
    from fathom.hub.store import home
    from fathom.machine import cores, memory

    room, store = memory(), home()
    disk = shutil.disk_usage(next(folder for folder in (store, *store.parents) if folder.exists()))
    versions = {"fathom": __version__, "python": platform.python_version()}
    versions |= {name: importlib.metadata.version(name) for name in PACKAGES if _installed(name)}
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": {"name": processor(), "cores": cores(), **kernels()},
        "memory": {"total": room.total, "available": room.available, "limited_by_control_group": room.limited},
        "store": {"path": str(store), "free": disk.free},
        "versions": versions,
        "extras": [extra for extra, module in EXTRAS.items() if _installed(module)],
    }


def _installed(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None


def kernels() -> dict[str, Any]:
    """Instruction levels of the native engine and the CPU features they rest on."""
    from fathom import _native

    features = _native.cpu_features()
    return {
        "features": sorted(f for f, there in features.items() if there),
        "levels": _native.levels(),
        "level": _native.level(),
    }


def show(facts: dict[str, Any]) -> None:
    cpu, room, store = facts["cpu"], facts["memory"], facts["store"]
    limited = f" {say('doctor.cgroup')}" if room["limited_by_control_group"] else ""
    rows = [
        ("doctor.cpu", f"{cpu['name']}, {say('doctor.cores', count=cpu['cores'])}"),
        ("doctor.features", " ".join(cpu["features"])),
        ("doctor.levels", say("doctor.levels_line", levels=", ".join(cpu["levels"]), level=cpu["level"])),
        (
            "doctor.memory",
            say("doctor.memory_line", available=human(room["available"]), total=human(room["total"])) + limited,
        ),
        ("doctor.store", say("doctor.store_line", path=store["path"], free=human(store["free"]))),
        ("doctor.versions", ", ".join(f"{name} {version}" for name, version in facts["versions"].items())),
        ("doctor.extras", ", ".join(facts["extras"]) or say("doctor.none")),
    ]
    table([("", False), ("", False)], [(say(key), value) for key, value in rows], header=False)


def show_family(family: list[dict[str, Any]], context: int, available: int) -> None:
    emit(say("doctor.family", context=context, available=human(available)))
    rows = [(f"  {m['name']}", *(_fit(m["needs"][f], available) for f in COLUMNS)) for m in family]
    table([(f"  {say('col.model')}", False), *((f, True) for f in COLUMNS)], rows)
    emit(say("doctor.star"))


def _fit(need: int, available: int) -> str:
    return f"{human(need)} {'*' if need <= available else ' '}"
