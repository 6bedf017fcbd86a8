"""One sequence from prompt to end: prefill in chunks, then token by token.

A :class:`Session` is a latent cache together with the tokens in it. A prompt that begins like them (the next turn of a
conversation, a second sample of the same prompt) is only computed from where it departs. Whatever can be wrong with a
request is found when its :class:`Generation` is made, before any work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from ..errors import FathomError
from .constraints import Constraint
from .sampling import Sampler, SamplingParams, top_logprobs

__all__ = ["FinishReason", "Generation", "Model", "ScoredToken", "Session", "Token"]

FinishReason = Literal["stop", "length", "cancelled"]
CHUNK = 512  # prompt tokens a forward call; cancelling is possible between
SCORED_CHUNK = 64  # the same where the logits of all positions are needed: 64 x 155k floats are 40 MB


class Model(Protocol):
    """What the loop needs of a model (NativeModel is one)."""

    def new_cache(self) -> Any: ...

    def forward(
        self, tokens: Sequence[int], cache: Any, *, logits: Literal["none", "last", "all"] = "last"
    ) -> npt.NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True)
class ScoredToken:
    """A prompt token's raw log-probability, None for the first, and the likeliest tokens at its place."""

    id: int
    logprob: float | None
    top: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Token:
    """A generated token. An end token is none of the text; ``finish_reason`` stands on the last one."""

    id: int
    logprob: float | None
    top: tuple[tuple[int, float], ...]
    is_end: bool = False
    finish_reason: FinishReason | None = None


class Session:
    """A latent cache and the tokens in it."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._cache = model.new_cache()
        self.tokens: list[int] = []

    def rewind(self, prompt: Sequence[int]) -> int:
        """Keeps the longest common beginning with ``prompt``, but not all of it; returns its length."""
        limit = min(len(self.tokens), len(prompt) - 1)
        kept = next((i for i in range(limit) if self.tokens[i] != prompt[i]), limit)
        self.truncate(kept)
        return kept

    def truncate(self, count: int) -> None:
        if count < self._cache.tokens:  # which may hold one pass more than was noted, after an interrupt
            self._cache.truncate(count)
            del self.tokens[count:]

    def extend(self, tokens: Sequence[int], logits: Literal["none", "last", "all"] = "last") -> npt.NDArray[np.float32]:
        """Logits (0, 1 or n rows, V) of ``tokens`` appended to what the session holds."""
        result = self._model.forward(tokens, self._cache, logits=logits)
        self.tokens += tokens
        return result


class Generation:
    """One request on its way. Facts about it stand in the attributes; ``run`` yields its tokens."""

    def __init__(
        self,
        prompt: Sequence[int],
        params: SamplingParams,
        *,
        vocab_size: int,
        context: int,
        end_ids: Sequence[int] = (),
        constraint: Constraint | None = None,
        index: int = 0,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self.prompt = [int(token) for token in prompt]
        self.params = params
        self.max_tokens = _room(self.prompt, params, vocab_size, context)
        self._stops = set(params.stop_token_ids) | (set() if params.ignore_eos else set(end_ids))
        self._constraint, self._cancelled = constraint, cancelled
        self._sampler = Sampler(params, vocab_size, self.prompt, exempt=end_ids, index=index)
        self.cached_tokens = 0  # prompt tokens that were in the session already
        self.prompt_logprobs: list[ScoredToken] | None = None
        self.prefill_seconds = 0.0
        self.decode_seconds = 0.0
        self.finish_reason: FinishReason | None = None

    def run(self, session: Session) -> Iterator[Token]:
        """Yields tokens until an end token, the grammar's end, ``max_tokens`` or a cancellation."""
        start = time.perf_counter()
        logits = self._prefill(session)
        self.prefill_seconds = time.perf_counter() - start
        if self.max_tokens == 0 and self.finish_reason is None:
            self.finish_reason = "length"
        left = self.max_tokens
        while self.finish_reason is None:
            start = time.perf_counter()
            left -= 1
            token = self._next(logits, last=left == 0)
            self.finish_reason = token.finish_reason
            yield token
            if self.finish_reason is None and self._cancelled():
                self.finish_reason = "cancelled"
            if self.finish_reason is None:
                logits = session.extend([token.id])[0]
            self.decode_seconds += time.perf_counter() - start

    def _next(self, logits: npt.NDArray[np.float32], *, last: bool) -> Token:
        constraint = self._constraint
        sampled = self._sampler.sample(logits, constraint.mask() if constraint else None)
        reason: FinishReason | None = "length" if last else None
        is_end = sampled.id in self._stops
        if constraint and not is_end:
            constraint.accept(sampled.id)
        if is_end or (constraint and constraint.done):
            reason = "stop"
        return Token(sampled.id, sampled.logprob, sampled.top, is_end, reason)

    def _prefill(self, session: Session) -> npt.NDArray[np.float32]:
        """Runs the prompt; returns the logits (V,) behind it."""
        scored = self.params.prompt_logprobs is not None
        if scored:
            session.truncate(0)
            self.prompt_logprobs = [ScoredToken(self.prompt[0], None, ())]
        self.cached_tokens = session.rewind(self.prompt)
        size = SCORED_CHUNK if scored else CHUNK
        logits = np.empty((0, 0), np.float32)
        for start in range(self.cached_tokens, len(self.prompt), size):
            if self._cancelled():
                self.finish_reason = "cancelled"
                return logits
            chunk = self.prompt[start : start + size]
            is_last = start + size >= len(self.prompt)
            logits = session.extend(chunk, "all" if scored else "last" if is_last else "none")
            if scored:
                self._score(start, logits)
        return np.asarray(logits[-1])

    def _score(self, start: int, logits: npt.NDArray[np.float32]) -> None:
        """Notes the log-probabilities of the prompt tokens that follow positions ``start``..."""
        if not np.isfinite(logits).all():
            raise FathomError("not_finite")
        assert self.prompt_logprobs is not None
        for row, token in zip(logits, self.prompt[start + 1 :], strict=False):
            logprob, top = top_logprobs(row, token, self.params.prompt_logprobs or 0)
            self.prompt_logprobs.append(ScoredToken(token, logprob, top))


def _room(prompt: Sequence[int], params: SamplingParams, vocab_size: int, context: int) -> int:
    """How many tokens may be generated; every way in which prompt and limits don't fit is an error here."""
    if not prompt:
        raise FathomError("prompt_empty", param="prompt")
    for param, tokens in (("prompt", prompt), ("stop_token_ids", params.stop_token_ids)):
        for token in tokens:
            if not 0 <= token < vocab_size:
                raise FathomError("token_out_of_range", param=param, found=token, last=vocab_size - 1)
    room = context - len(prompt)
    wanted = max(room, 1) if params.max_tokens is None else params.max_tokens
    if wanted > room:
        raise FathomError("context_length_exceeded", param="prompt", prompt=len(prompt), wanted=wanted, context=context)
    return wanted
