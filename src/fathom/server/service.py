"""What the routes share: the model, the name it is served under, the line in front of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastapi import Request

from ..errors import FathomError
from .jobs import Line

if TYPE_CHECKING:
    from ..llm import LLM

__all__ = ["Service", "service_of"]


@dataclass(slots=True)
class Service:
    loaded: LLM | None
    model_name: str
    line: Line
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def llm(self) -> LLM:
        if self.loaded is None:
            raise FathomError("model_loading")
        return self.loaded

    def check_model(self, name: str | None) -> None:
        """A request may leave the model out; it may not name another one."""
        if name is not None and name != self.model_name:
            raise FathomError("model_not_served", param="model", name=name, known=self.model_name)


def service_of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service
