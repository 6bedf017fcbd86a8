"""What a request asks of the sampler (:class:`SamplingParams`) and the sampler itself.

One order, always: repetition, presence and frequency penalties -> logit bias -> grammar mask -> temperature -> top_k ->
top_p -> min_p -> draw. Log-probabilities are those of the raw logits, before any of these steps (vLLM's convention, and
OpenAI's numbers where no penalty is used). Only what may be kept is sorted, not the vocabulary: a draw costs well under
a decode step at 155k tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from .._native import draw, logsumexp, top
from ..errors import FathomError

__all__ = ["Sampled", "Sampler", "SamplingParams", "top_logprobs"]

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

MAX_LOGPROBS = 20  # as OpenAI
MAX_STOPS = 16
LEAST_TEMPERATURE = 1e-30  # below it float32 logits that differ are as far apart as they can be
CONSTRAINTS = ("json_schema", "json_object", "regex", "grammar", "choice")


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How one request is decoded; checked when it is made, so a bad value never reaches the model.

    ``temperature=0`` is greedy. ``top_k=0``, ``top_p=1`` and ``min_p=0`` keep everything. ``max_tokens=None`` generates
    what fits into the context; ``max_seconds`` ends it at a time. ``logprobs=k`` reports the chosen token and the k
    likeliest ones (k may be 0); ``prompt_logprobs`` does it for the prompt. At most one of ``json_schema``,
    ``json_object``, ``regex``, ``grammar`` (Lark or GBNF) and ``choice`` constrains the text. What is kept of prompts
    is shared only among requests of the same ``cache_salt``.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    seed: int | None = None
    n: int = 1
    max_tokens: int | None = None
    max_seconds: float | None = None
    stop: tuple[str, ...] = ()
    stop_token_ids: tuple[int, ...] = ()
    ignore_eos: bool = False
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    json_schema: Mapping[str, Any] | str | bool | None = None
    json_object: bool = False
    regex: str | None = None
    grammar: str | None = None
    choice: tuple[str, ...] = ()
    cache_salt: str | None = None

    def __post_init__(self) -> None:
        for name in ("stop", "stop_token_ids", "choice"):
            object.__setattr__(self, name, _as_tuple(name, getattr(self, name)))
        object.__setattr__(self, "logit_bias", _bias(self.logit_bias))
        for name, low, high, open_low in _RANGES:
            object.__setattr__(self, name, _number(name, getattr(self, name), low, high, open_low))
        if self.max_seconds is not None:
            object.__setattr__(self, "max_seconds", _number("max_seconds", self.max_seconds, 0.0, 1e9, True))
        for name, least, most, optional in _COUNTS:
            _integer(name, getattr(self, name), least, most, optional)
        for name in ("ignore_eos", "json_object"):
            _require(isinstance(getattr(self, name), bool), name, f"{getattr(self, name)!r} is not true or false")
        for name in ("regex", "grammar", "cache_salt"):
            value = getattr(self, name)
            _require(value is None or isinstance(value, str), name, f"{value!r} is not a text")
        _require(len(self.stop) <= MAX_STOPS, "stop", f"{len(self.stop)} stop strings; at most {MAX_STOPS}")
        for name in ("stop", "choice"):
            for text in getattr(self, name):
                _require(isinstance(text, str) and text != "", name, f"{text!r} is not a non-empty text")
        for token in self.stop_token_ids:
            _integer("stop_token_ids", token, 0, None, False)
        if len(used := self.constraints()) > 1:
            raise FathomError("parameter_invalid", param=used[1], problem=f"can't be used together with {used[0]}")

    def constraints(self) -> list[str]:
        """The names of the grammar fields in use (none or one)."""
        return [name for name in CONSTRAINTS if getattr(self, name) not in (None, False, ())]

    @classmethod
    def names(cls) -> tuple[str, ...]:
        return tuple(f.name for f in fields(cls))


# name, lowest, highest, lowest excluded
_RANGES: tuple[tuple[str, float, float, bool], ...] = (
    ("temperature", 0.0, 100.0, False),
    ("top_p", 0.0, 1.0, True),
    ("min_p", 0.0, 1.0, False),
    ("repetition_penalty", 0.01, 100.0, False),  # below, float32 logits overflow
    ("presence_penalty", -2.0, 2.0, False),
    ("frequency_penalty", -2.0, 2.0, False),
)
# name, least, most, may be None
_COUNTS: tuple[tuple[str, int, int | None, bool], ...] = (
    ("top_k", 0, 2**31 - 1, False),
    ("n", 1, 128, False),
    ("seed", -(2**63), 2**64 - 1, True),
    ("max_tokens", 0, None, True),
    ("logprobs", 0, MAX_LOGPROBS, True),
    ("prompt_logprobs", 0, MAX_LOGPROBS, True),
)


def _require(condition: bool, param: str, problem: str) -> None:
    if not condition:
        raise FathomError("parameter_invalid", param=param, problem=problem)


def _number(param: str, value: object, low: float, high: float, open_low: bool) -> float:
    _require(isinstance(value, int | float) and not isinstance(value, bool), param, f"{value!r} is not a number")
    number = cast(float, value)
    inside = low <= number <= high and not (open_low and number == low)  # false for NaN
    _require(inside, param, f"{value!r:.40} is not in {'(' if open_low else '['}{low:g}, {high:g}]")
    return float(number)


def _integer(param: str, value: object, least: int, most: int | None, optional: bool) -> None:
    if value is None and optional:
        return
    _require(isinstance(value, int) and not isinstance(value, bool), param, f"{value!r} is not a whole number")
    number = cast(int, value)
    _require(number >= least, param, f"{number} is below {least}")
    _require(most is None or number <= most, param, f"{number} is above {most}")


def _as_tuple(param: str, value: object) -> tuple[Any, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    _require(isinstance(value, Iterable), param, f"{value!r} is not a list")
    return tuple(cast(Iterable[Any], value))


def _bias(value: object) -> dict[int, float]:
    if value is None:
        return {}
    _require(isinstance(value, Mapping), "logit_bias", f"{value!r} is not a mapping from token id to bias")
    for token in cast(Mapping[Any, Any], value):
        _integer("logit_bias", token, 0, None, False)
    items = cast(Mapping[int, Any], value).items()
    return {token: _number("logit_bias", bias, -100.0, 100.0, False) for token, bias in items}


class Sampled(NamedTuple):
    """A drawn token, its raw log-probability and the likeliest alternatives (both only if asked for)."""

    id: int
    logprob: float | None
    top: tuple[tuple[int, float], ...]


class Sampler:
    """Draws the tokens of one sequence; owns its random stream and its penalty counts.

    Tokens in ``exempt`` (the end tokens) are never penalised: each turn of a conversation ends with one, and a
    repetition penalty on it would make answers longer and longer.
    """

    def __init__(
        self,
        params: SamplingParams,
        vocab_size: int,
        prompt: Iterable[int] = (),
        *,
        exempt: Iterable[int] = (),
        index: int = 0,
    ) -> None:
        seed = None if params.seed is None else params.seed % 2**64
        entropy = np.random.SeedSequence(seed, spawn_key=(index,))
        self._params, self._vocab_size = params, vocab_size
        self._random = np.random.Generator(np.random.Philox(entropy))
        self._greedy = params.temperature == 0 or params.top_k == 1
        temperature = max(params.temperature, LEAST_TEMPERATURE) if params.temperature else 0.0
        self._choice = (temperature, params.top_k, params.top_p, params.min_p)
        penalties = params.repetition_penalty != 1 or params.presence_penalty or params.frequency_penalty
        self._plain = not penalties and not params.logit_bias
        self._exempt = frozenset(exempt)
        self._seen = set(prompt) - self._exempt if params.repetition_penalty != 1 else set()
        self._counts: dict[int, int] = {}  # generated tokens only
        for token in params.logit_bias:
            if token >= vocab_size:
                raise FathomError("token_out_of_range", param="logit_bias", found=token, last=vocab_size - 1)

    def sample(self, logits: Floats, mask: Bools | None = None) -> Sampled:
        """Draws from ``logits`` (V,), left as they are; ``mask`` (V,) is true where the grammar allows a token."""
        uniform = 0.0 if self._greedy else self._random.random()
        token = draw(logits if self._plain else self._shaped(logits), mask, *self._choice, uniform)
        if token < 0:
            raise FathomError("not_finite")
        if not self._plain and token not in self._exempt:
            self._counts[token] = self._counts.get(token, 0) + 1
            self._seen.add(token)
        if self._params.logprobs is None:
            return Sampled(token, None, ())
        return Sampled(token, *top_logprobs(logits, token, self._params.logprobs))

    def _shaped(self, logits: Floats) -> Floats:
        """Penalties and bias."""
        params, out = self._params, logits
        if params.repetition_penalty != 1 and self._seen:
            out, ids = out.copy(), np.fromiter(self._seen, np.int64, len(self._seen))
            values = out[ids]
            out[ids] = np.where(values > 0, values / params.repetition_penalty, values * params.repetition_penalty)
        if (params.presence_penalty or params.frequency_penalty) and self._counts:
            out = out.copy() if out is logits else out
            ids = np.fromiter(self._counts, np.int64, len(self._counts))
            counts = np.fromiter(self._counts.values(), np.float32, len(self._counts))
            out[ids] -= params.presence_penalty + params.frequency_penalty * counts
        if params.logit_bias:
            out = out.copy() if out is logits else out
            for token, bias in params.logit_bias.items():
                out[token] += bias
        return out


def top_logprobs(logits: Floats, token: int, count: int) -> tuple[float, tuple[tuple[int, float], ...]]:
    """The raw log-probability of ``token`` and the ``count`` likeliest tokens with theirs, from finite logits (V,)."""
    log_total = logsumexp(logits)
    ids, values = top(logits, count)
    likeliest = tuple((token, value - log_total) for token, value in zip(ids.tolist(), values.tolist(), strict=True))
    return float(logits[token]) - log_total, likeliest
