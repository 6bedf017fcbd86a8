"""What the routes share: the model, the name it is served under, and how many may wait for it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastapi import Request

from ..errors import FathomError
from .jobs import Job
from .metrics import Metrics

if TYPE_CHECKING:
    from ..llm import LLM
    from ..request import Answer

__all__ = ["Service", "service_of"]


@dataclass(slots=True)
class Service:
    loaded: LLM | None
    model_name: str
    max_queue: int  # answers that may wait beside those that run
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

    def job(self, answers: Sequence[Answer]) -> Job:
        """The answers on their way; raises ``queue_full``."""
        engine = self.llm.engine
        return Job(engine, answers, engine.scheduler.max_running + self.max_queue, self.metrics)


def service_of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service
