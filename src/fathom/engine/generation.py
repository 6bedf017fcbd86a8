"""One sequence from prompt to end: what is asked, and how logits become its tokens.

Whatever can be wrong with a request is found when its :class:`Generation` is made, before any work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import FathomError
from .constraints import Constraint
from .runner import Segment
from .sampling import Sampler, SamplingParams, top_logprobs
from .scheduler import Request

__all__ = ["FinishReason", "Generation", "Item", "ScoredToken", "Token"]

FinishReason = Literal["stop", "length", "cancelled", "deadline"]


@dataclass(frozen=True, slots=True)
class ScoredToken:
    """A prompt token's raw log-probability, None for the first, and the likeliest tokens at its place."""

    id: int
    logprob: float | None
    top: tuple[tuple[int, float], ...]


class Token(NamedTuple):
    """A generated token. An end token is none of the text; ``finish_reason`` stands on the last one."""

    id: int
    logprob: float | None
    top: tuple[tuple[int, float], ...]
    is_end: bool = False
    finish_reason: FinishReason | None = None


Item = Token | FinishReason | Exception  # a token; an end without one more; what went wrong


class Generation(Request):
    """One request on its way. Facts about it stand in the attributes, seconds on the clock ``time.monotonic``."""

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
    ) -> None:
        ids = [int(token) for token in prompt]
        scored = params.prompt_logprobs is not None
        root = (params.cache_salt or "").encode("utf-8", "surrogatepass")  # pages behind another salt have other names
        super().__init__(ids, _room(ids, params, vocab_size, context), scored=scored, root=root)
        self.params = params
        self.emit: Callable[[Generation, Item], object]  # set where it is submitted
        self._stops = set(params.stop_token_ids) | (set() if params.ignore_eos else set(end_ids))
        self._constraint = constraint
        self._sampler = Sampler(params, vocab_size, ids, exempt=end_ids, index=index)
        self.cached_tokens = 0  # prompt tokens that were in the cache already
        self.prompt_logprobs = [ScoredToken(ids[0], None, ())] if scored else None
        self.submitted = self.started = self.first = self.last = 0.0  # when queued, planned; of the first, last token
        self.deadline = float("inf")

    def wanted(self, n: int) -> int:
        """Rows of logits needed of a step's ``n`` tokens."""
        return n if self.scoring else int(n == self.pending)

    def take(self, step: Segment, logits: npt.NDArray[np.float32]) -> Token | None:
        """The token that follows, if the tokens of ``step`` were the last that were pending; its wanted logits."""
        if self.scored and step.start < self.prompt_length:
            self._score(step.start, logits)
        if step.start + len(step.tokens) < len(self.tokens) or self.max_tokens == 0:
            return None
        constraint, generated = self._constraint, len(self.tokens) - self.prompt_length
        sampled = self._sampler.sample(logits[-1], constraint.mask() if constraint else None)
        reason: FinishReason | None = "length" if generated + 1 == self.max_tokens else None
        is_end = sampled.id in self._stops
        if constraint and not is_end:
            constraint.accept(sampled.id)
        if is_end or (constraint and constraint.done):
            reason = "stop"
        self.last = time.monotonic()
        self.first = self.first or self.last
        return Token(sampled.id, sampled.logprob, sampled.top, is_end, reason)

    def _score(self, start: int, logits: npt.NDArray[np.float32]) -> None:
        """Notes the log-probabilities of the prompt tokens that follow positions ``start``..."""
        if not np.isfinite(logits).all():
            raise FathomError("not_finite")
        assert self.prompt_logprobs is not None
        known = len(self.prompt_logprobs)  # one preempted begins again
        for i in range(max(known, start + 1), min(start + len(logits) + 1, self.prompt_length)):
            token = self.tokens[i]
            logprob, top = top_logprobs(logits[i - 1 - start], token, self.params.prompt_logprobs or 0)
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
