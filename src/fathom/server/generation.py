"""From a request's fields to sampling parameters, and from checked requests to the response."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from fastapi import Request as HttpRequest
from fastapi import Response
from fastapi.responses import JSONResponse

from ..errors import FathomError
from .jobs import Step
from .schemas import Sampling
from .service import Service
from .sse import EventStream, cancel_with
from .wire import told

if TYPE_CHECKING:
    from ..request import Delta, Request

__all__ = ["Meter", "finish", "head", "respond", "sampling_of"]

_SAME_NAME = [
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "n",
    "stop",
    "ignore_eos",
    "max_tokens",
    "max_seconds",
    "regex",
    "grammar",
    "choice",
    "cache_salt",
]


def sampling_of(body: Sampling) -> dict[str, Any]:
    """The fields of SamplingParams that the request sets; null is the same as leaving a field out."""
    asked = {name: value for name in _SAME_NAME if (value := getattr(body, name)) is not None}
    if body.logit_bias:
        asked["logit_bias"] = {_token_id(key): bias for key, bias in body.logit_bias.items()}
    return asked


def _token_id(key: str) -> int:
    if not (key.isascii() and key.isdecimal() and len(key) < 10):
        raise FathomError("parameter_invalid", param="logit_bias", problem=f"{key[:40]!r} is not a token id")
    return int(key)


class Answer(Protocol):
    """The response of a route as it grows: taken step by step and given whole, or turned into chunks."""

    def take(self, step: Step, /) -> object: ...
    def whole(self) -> dict[str, Any]: ...
    def chunks(self, step: Step, /) -> Iterator[dict[str, Any]]: ...


async def respond(
    http: HttpRequest, service: Service, requests: Sequence[Request], answer: Answer, body: Sampling
) -> Response:
    """Queue the checked requests and answer, whole or streamed as ``body`` says; a client that leaves cancels them.

    Answer ``k`` of the i-th request is choice ``i * n + k`` of the response.
    """
    job = service.job([a for request in requests for a in request.answers])
    headers = told(body)
    if body.stream:
        return EventStream(job, answer.chunks, headers)
    async with cancel_with(http.receive, job):
        async for step in job:
            answer.take(step)
    return JSONResponse(answer.whole(), headers=headers)


def finish(delta: Delta) -> str | None:
    """The finish reason in OpenAI's words: an answer cut at its deadline is cut by a limit."""
    return "length" if delta.finish_reason == "deadline" else delta.finish_reason


def head(prefix: str, kind: str, model: str) -> dict[str, Any]:
    """The fields every response and every chunk begins with."""
    return {
        "id": f"{prefix}-{secrets.token_hex(12)}",
        "object": kind,
        "created": int(time.time()),
        "model": model,
        "system_fingerprint": None,
    }


@dataclass(slots=True)
class Meter:
    """What a response cost, summed over its choices; a prompt counts once."""

    prompt: int
    completion: int = 0
    cached: int = 0
    prompt_s: float = 0.0
    decode_s: float = 0.0

    def add(self, delta: Delta) -> None:
        self.completion += len(delta.token_ids)
        if delta.timings is not None:
            if delta.index == 0:
                self.cached += delta.timings.cached_tokens
                self.prompt_s += delta.timings.prompt_seconds
            self.decode_s += delta.timings.decode_seconds

    def dump(self) -> dict[str, Any]:
        """OpenAI's ``usage`` and, with the names of llama.cpp's server, ``timings``."""
        usage = {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
            "prompt_tokens_details": {"cached_tokens": self.cached},
            "completion_tokens_details": {"reasoning_tokens": 0},
        }
        timings = {
            "cache_n": self.cached,
            "prompt_n": self.prompt - self.cached,
            "prompt_ms": round(self.prompt_s * 1000, 3),
            "predicted_n": self.completion,
            "predicted_ms": round(self.decode_s * 1000, 3),
        }
        return {"usage": usage, "timings": timings}
