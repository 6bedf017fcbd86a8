"""A run as a file: TOML into frozen dataclasses; an unknown key is an error that offers the nearest name."""

from __future__ import annotations

import difflib
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from ..errors import Both, FathomError
from ..files import errors_of

__all__ = [
    "BalanceRecipe",
    "CheckRecipe",
    "DataRecipe",
    "ModelRecipe",
    "PhaseRecipe",
    "RateRecipe",
    "Recipe",
    "RunRecipe",
    "load_recipe",
]


@dataclass(frozen=True, slots=True)
class ModelRecipe:
    """``folder`` holds config.json and tokenizer files; its weights are the start unless ``fresh``."""

    folder: str
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class DataRecipe:
    root: str = ""  # folder of token sets
    files: tuple[str, ...] = ()  # conversations as JSON lines: the set "files"
    max_repeats: float = 10.0  # no set is seen more often over the run


@dataclass(frozen=True, slots=True)
class PhaseRecipe:
    shares: Mapping[str, float]  # token set -> share of the rows
    until: float = 1.0  # progress of the run at which the phase ends
    length: int = 1024  # T, tokens a row
    rows: int = 128  # of one step
    assistant_only: bool | None = None  # None: what the objective says


@dataclass(frozen=True, slots=True)
class RateRecipe:
    peak: float = 2.5e-3
    warmup_steps: int = 100
    stable: float = 0.5  # progress until which the rate stays at its peak
    floor: float = 0.03  # of the peak, at the end
    matrices: str = "muon"  # who steps matrices: muon | adamw
    decay: float = 0.05
    momentum: float = 0.95
    clip: float = 1.0


@dataclass(frozen=True, slots=True)
class BalanceRecipe:
    early: float = 0.01
    early_until: float = 0.1
    late: float = 0.001


@dataclass(frozen=True, slots=True)
class RunRecipe:
    steps: int  # of the whole run; with ``minutes`` only what the repeats of the data are computed from
    minutes: float | None = None  # the clock decides instead, over all calls together
    micro_tokens: int | None = None  # of one forward pass, at most; None: what suits the device
    dtype: str = "auto"  # of the products: auto | bfloat16 | float32
    compile: str = "auto"  # auto (on a GPU) | on | off
    seed: int = 1
    log_steps: int = 20
    save_minutes: float = 4.0
    keep: int = 2
    shard_mb: int = 16  # of the exported weights, MiB


@dataclass(frozen=True, slots=True)
class CheckRecipe:
    """What is looked at while the run goes."""

    heldout: tuple[str, ...] = ()  # token sets
    length: int = 1024
    every_steps: int = 0  # 0: only at the end
    prompts: tuple[str, ...] = ()
    sample_tokens: int = 96


@dataclass(frozen=True, slots=True)
class Recipe:
    model: ModelRecipe
    data: DataRecipe
    phase: tuple[PhaseRecipe, ...]
    run: RunRecipe
    rate: RateRecipe = field(default_factory=RateRecipe)
    balance: BalanceRecipe = field(default_factory=BalanceRecipe)
    check: CheckRecipe = field(default_factory=CheckRecipe)


def load_recipe(path: Path, settings: Sequence[str] = ()) -> Recipe:
    """Reads a recipe; ``settings`` are ``a.b=value`` in TOML's spelling, a bare word is a string.

    Relative folders are looked up beside the file. Raises ``recipe_invalid`` naming the key.
    """
    with errors_of(path):
        text = path.read_bytes()
    try:
        raw = tomllib.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # TOML and UTF-8
        raise FathomError("file_malformed", path=path, format="TOML", problem=error) from None
    for setting in settings:
        _apply(raw, setting)
    recipe: Recipe = _build(Recipe, raw, "")
    _check(recipe)
    beside = path.absolute().parent
    model = ModelRecipe(str(beside / recipe.model.folder), recipe.model.fresh)
    given = recipe.data
    files = tuple(str(beside / file) for file in given.files)
    data = DataRecipe(given.root and str(beside / given.root), files, given.max_repeats)
    return Recipe(model, data, recipe.phase, recipe.run, recipe.rate, recipe.balance, recipe.check)


def _apply(raw: dict[str, Any], setting: str) -> None:
    """``phase.0.rows=64`` reaches into lists too."""
    key, equals, text = setting.partition("=")
    if not equals or not key:
        raise FathomError(
            "recipe_invalid", path="recipe", key=setting, problem=Both("expected KEY=VALUE", "应写作 KEY=VALUE")
        )
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        value = text
    *path, last = key.split(".")
    place: Any = raw
    for part in path:
        if isinstance(place, list):
            place = place[int(part)] if part.isdecimal() and int(part) < len(place) else None
        elif isinstance(place, dict):
            place = place.setdefault(part, {})
    if not isinstance(place, dict):
        raise FathomError(
            "recipe_invalid", path="recipe", key=key, problem=Both("there is no such place", "没有这个位置")
        )
    place[last] = value


def _build(kind: Any, raw: Any, where: str) -> Any:
    """A dataclass, tuple, map or plain value of the annotated type; a string is never read as a number."""
    if isinstance(kind, type) and is_dataclass(kind):
        if not isinstance(raw, dict):
            raise FathomError(
                "recipe_invalid", path="recipe", key=where, problem=Both("expected a table", "应是一个表")
            )
        hints, known = get_type_hints(kind), {f.name: f for f in fields(kind)}
        prefix = f"{where}." if where else ""
        for name in raw:
            if name not in known:
                near = difflib.get_close_matches(name, known, 1, 0.4)
                keys = ", ".join(known)
                problem = Both(f"unknown key; known: {keys}", f"未知的键；可用：{keys}")
                if near:
                    problem = Both(f"unknown key; did you mean {near[0]}?", f"未知的键；是否想写 {near[0]}？")
                raise FathomError("recipe_invalid", path="recipe", key=prefix + name, problem=problem)
        for name, f in known.items():
            if name not in raw and f.default is MISSING and f.default_factory is MISSING:
                raise FathomError(
                    "recipe_invalid", path="recipe", key=prefix + name, problem=Both("missing", "缺少此键")
                )
        return kind(**{name: _build(hints[name], value, prefix + name) for name, value in raw.items()})
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        kind = next(option for option in inner if option is not type(None))
        return _build(kind, raw, where)
    if origin is tuple and isinstance(raw, list):
        return tuple(_build(inner[0], value, f"{where}.{i}") for i, value in enumerate(raw))
    if origin is not None and issubclass(origin, Mapping) and isinstance(raw, dict):
        return {key: _build(inner[1], value, f"{where}.{key}") for key, value in raw.items()}
    if kind is float:
        if type(raw) in (int, float) and abs(raw) <= sys.float_info.max:
            return float(raw)
    elif origin is None and type(raw) is kind:
        return raw
    name = getattr(kind, "__name__", kind)
    problem = Both(f"{raw!r} is no {name}", f"{raw!r} 不是 {name}")
    raise FathomError("recipe_invalid", path="recipe", key=where, problem=problem)


def _check(recipe: Recipe) -> None:
    def need(holds: bool, key: str, en: str, zh: str) -> None:
        if not holds:
            raise FathomError("recipe_invalid", path="recipe", key=key, problem=Both(en, zh))

    run, rate, check = recipe.run, recipe.rate, recipe.check
    need(bool(recipe.phase), "phase", "at least one is needed", "至少要有一个")
    need(bool(recipe.data.root or recipe.data.files), "data", "root or files is needed", "需要 root 或 files")
    last = 0.0
    for i, phase in enumerate(recipe.phase):
        key = f"phase.{i}"
        need(
            last < phase.until <= 1.0,
            f"{key}.until",
            "phases end one after the other, the last at 1",
            "各阶段须依次结束，最后一个止于 1",
        )
        last = phase.until
        need(bool(phase.shares), f"{key}.shares", "no token set", "没有 token 集")
        good = all(0.0 < share <= 1.0 for share in phase.shares.values())
        need(
            good and abs(sum(phase.shares.values()) - 1.0) < 1e-6,
            f"{key}.shares",
            "they must add up to 1",
            "合计须为 1",
        )
        need(
            phase.length >= 8 and phase.rows >= 1,
            key,
            "length must be at least 8, rows at least 1",
            "length 至少为 8，rows 至少为 1",
        )
        micro = max(1, (run.micro_tokens or 1) // phase.length)
        need(
            phase.rows % min(micro, phase.rows) == 0,
            f"{key}.rows",
            f"no multiple of {micro} rows a forward pass",
            f"不是每次前向 {micro} 行的整数倍",
        )
    need(last == 1.0, "phase", "the last must end at 1", "最后一个阶段须止于 1")
    need(recipe.data.max_repeats > 0, "data.max_repeats", "more than 0", "须大于 0")
    need(run.steps >= 1, "run.steps", "at least 1", "至少为 1")
    need(0 <= run.seed < 1 << 63, "run.seed", "0 or more, below 2 ** 63", "须不小于 0 且小于 2 ** 63")
    need(run.minutes is None or run.minutes > 0, "run.minutes", "more than 0", "须大于 0")
    need(
        run.log_steps >= 1 and run.keep >= 1 and run.shard_mb >= 1,
        "run",
        "log_steps, keep, shard_mb: at least 1",
        "log_steps、keep、shard_mb 至少为 1",
    )
    need(
        (run.micro_tokens is None or run.micro_tokens >= 1) and run.save_minutes > 0,
        "run",
        "micro_tokens and save_minutes: more than 0",
        "micro_tokens 和 save_minutes 须大于 0",
    )
    need(
        run.dtype in ("auto", "bfloat16", "float32"),
        "run.dtype",
        "auto, bfloat16 or float32",
        "可选 auto、bfloat16、float32",
    )
    need(run.compile in ("auto", "on", "off"), "run.compile", "auto, on or off", "可选 auto、on、off")
    need(rate.matrices in ("muon", "adamw"), "rate.matrices", "muon or adamw", "可选 muon、adamw")
    need(rate.peak > 0 and rate.clip > 0, "rate", "peak and clip: more than 0", "peak 和 clip 须大于 0")
    need(
        0.0 <= rate.stable < 1.0 and 0.0 <= rate.floor <= 1.0,
        "rate",
        "stable below 1, floor from 0 to 1",
        "stable 须小于 1，floor 在 0 到 1 之间",
    )
    need(
        0.0 <= rate.momentum < 1.0 and rate.decay >= 0.0,
        "rate",
        "momentum from 0 to below 1, decay 0 or more",
        "momentum 须在 0 到 1 之间（不含 1），decay 不小于 0",
    )
    need(rate.warmup_steps >= 0, "rate.warmup_steps", "0 or more", "须不小于 0")
    need(
        min(recipe.balance.early, recipe.balance.late) >= 0.0,
        "balance",
        "early and late: 0 or more",
        "early 和 late 须不小于 0",
    )
    need(
        check.every_steps >= 0 and check.length >= 8,
        "check",
        "every_steps 0 or more, length at least 8",
        "every_steps 不小于 0，length 至少为 8",
    )
    need(check.sample_tokens >= 1, "check.sample_tokens", "at least 1", "至少为 1")
