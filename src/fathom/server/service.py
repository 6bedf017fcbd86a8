"""What the routes share: the model, the name it is served under, and how many may wait for it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from fastapi import Request as HttpRequest

from ..errors import FathomError
from ..guard.limits import DEFAULT, Limits
from .jobs import Job
from .metrics import Metrics

if TYPE_CHECKING:
    from ..llm import LLM
    from ..request import Answer
    from .schemas import Sampling

__all__ = ["Service", "service_of"]


@dataclass
class Service:
    loaded: LLM | None
    model_name: str
    max_queue: int  # answers that may wait beside those that run
    limits: Limits = DEFAULT
    created: int = field(default_factory=lambda: int(time.time()))
    metrics: Metrics = field(init=False)

    def __post_init__(self) -> None:
        self.metrics = Metrics(self.model_name, lambda: self.loaded.engine.scheduler if self.loaded else None)

    @property
    def llm(self) -> LLM:
        if self.loaded is None:
            raise FathomError("model_loading")
        return self.loaded

    def check_model(self, name: str | None) -> None:
        """A request may leave the model out; it may not name another one."""
        if name is not None and name != self.model_name:
            raise FathomError("model_not_served", param="model", name=name, known=self.model_name)

    def admit(self, body: Sampling, texts: Iterable[str]) -> None:
        """Before any work: the model's name, the server's deadline, and prompts that can't fit, however tokenised."""
        self.check_model(body.model)
        if body.max_seconds is None or body.max_seconds > self.limits.seconds:
            body.max_seconds = float(self.limits.seconds)
        context, characters = self.llm.context_length, sum(map(len, texts))
        if characters > context and (least := characters // self.longest_token) > context:
            raise FathomError(
                "context_length_exceeded", param="prompt", prompt=f">= {least}", wanted=0, context=context
            )

    @cached_property
    def longest_token(self) -> int:
        """Bytes, so no text of more characters is one token."""
        tokenizer = self.llm.tokenizer
        ordinary = set(range(tokenizer.vocab_size)) - set(tokenizer.controls)
        return max((len(tokenizer.token_bytes(token)) for token in ordinary), default=1)

    def job(self, answers: Sequence[Answer]) -> Job:
        """The answers on their way; raises ``queue_full``, and ``parameter_invalid`` where they could cost too much."""
        engine = self.llm.engine
        cost = sum(answer.generation.prompt_length + answer.generation.max_tokens for answer in answers)
        if cost > (most := self.limits.contexts * self.llm.context_length):
            problem = f"{len(answers)} answers take up to {cost} tokens with their prompts; at most {most} a request"
            raise FathomError("parameter_invalid", param="max_tokens", problem=problem)
        return Job(engine, answers, engine.scheduler.max_running + self.max_queue, self.metrics)


def service_of(request: HttpRequest) -> Service:
    service: Service = request.app.state.service
    return service
