"""One conversation: the model, loaded at the first question, and the messages so far."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fathom.errors import FathomError

from .console import progress
from .messages import say

if TYPE_CHECKING:
    from fathom.llm import LLM

__all__ = ["Conversation", "Turn", "load_model"]


@dataclass(slots=True)
class Turn:
    """One answer as it grows; ``finish_reason`` is "interrupted" when the user stopped it."""

    answer: str = ""
    finish_reason: str = "interrupted"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    started: float = field(default_factory=time.perf_counter)
    first: float | None = None  # perf_counter of the first and the last token
    last: float | None = None

    @property
    def seconds_to_first(self) -> float:
        return (self.first or time.perf_counter()) - self.started

    @property
    def tokens_per_second(self) -> float:
        """Speed of decoding; the first token belongs to the prompt."""
        if self.first is None or self.last is None or self.completion_tokens < 2:
            return 0.0
        return (self.completion_tokens - 1) / max(self.last - self.first, 1e-9)

    def to_json(self) -> dict[str, Any]:
        return {
            "answer": self.answer,
            "finish_reason": self.finish_reason,
            "usage": {
                "prompt_tokens": self.prompt_tokens,
                "completion_tokens": self.completion_tokens,
                "total_tokens": self.prompt_tokens + self.completion_tokens,
            },
            "timings": {
                "seconds_to_first_token": round(self.seconds_to_first, 4),
                "tokens_per_second": round(self.tokens_per_second, 2),
            },
        }


def load_model(arguments: dict[str, Any]) -> LLM:
    """``LLM(**arguments)`` with a progress bar."""
    from fathom.llm import LLM

    with progress(say("load.progress", what=arguments["model"])) as report:
        return LLM(**arguments, progress=report)


class Conversation:
    """Messages in, pieces of answers out. A question that fails leaves the conversation as it was."""

    def __init__(self, load: dict[str, Any], sampling: dict[str, Any], system: str | None) -> None:
        self.model, self._load, self._sampling = load["model"], load, sampling
        self._llm: LLM | None = None
        self.turns: list[dict[str, str]] = []
        self.system = system

    @property
    def llm(self) -> LLM:
        if self._llm is None:
            self._llm = load_model(self._load)
        return self._llm

    @property
    def messages(self) -> list[dict[str, str]]:
        return ([{"role": "system", "content": self.system}] if self.system else []) + self.turns

    def ask(self, prompt: str, turn: Turn) -> Generator[str, None, None]:
        """Streams the answer and fills ``turn``; closing the iterator early keeps the part that was said."""
        if not prompt.strip():
            raise FathomError("prompt_empty")
        llm = self.llm
        messages = [*self.messages, {"role": "user", "content": prompt}]
        turn.started = time.perf_counter()
        stream = llm.chat(messages, stream=True, **self._sampling)
        try:
            for delta in stream:
                if delta.token_ids:
                    turn.last = time.perf_counter()
                    turn.first = turn.first or turn.last
                    turn.completion_tokens += len(delta.token_ids)
                turn.prompt_tokens = delta.prompt_tokens
                turn.answer += delta.text
                turn.finish_reason = delta.finish_reason or turn.finish_reason
                yield delta.text
        finally:
            if turn.answer or turn.finish_reason != "interrupted":
                self.turns += [messages[-1], {"role": "assistant", "content": turn.answer}]
