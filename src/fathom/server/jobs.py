"""The answers of one HTTP request on their way from the engine's thread to the event loop.

The engine never waits for a slow reader: what is unread is bounded by the tokens that were asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .metrics import Metrics, Watch

if TYPE_CHECKING:
    from ..engine.engine import Engine
    from ..engine.generation import Generation, Item
    from ..request import Answer, Delta

__all__ = ["Job", "Step"]


@dataclass(frozen=True, slots=True)
class Step:
    """What one choice of the response grew by."""

    choice: int
    delta: Delta


class Job:
    """Iterate it in the event loop that made it. Raises ``queue_full`` where ``most`` generations live already."""

    def __init__(self, engine: Engine, answers: Sequence[Answer], most: int, metrics: Metrics) -> None:
        self._engine = engine
        self._places = {answer.generation: (choice, answer) for choice, answer in enumerate(answers)}
        self._watches = {answer.generation: Watch(metrics, answer.generation) for answer in answers}
        self._left = len(answers)
        items: asyncio.Queue[tuple[Generation, Item]] = asyncio.Queue()
        self._items, loop = items, asyncio.get_running_loop()

        def arrive(generation: Generation, item: Item) -> None:
            self._watches[generation].take(item)
            items.put_nowait((generation, item))

        def emit(generation: Generation, item: Item) -> None:
            with suppress(RuntimeError):  # the loop has ended: there is nobody to tell
                loop.call_soon_threadsafe(arrive, generation, item)

        engine.submit(list(self._places), emit, most=most)

    def __aiter__(self) -> Job:
        return self

    async def __anext__(self) -> Step:
        while self._left:
            generation, item = await self._items.get()
            choice, answer = self._places[generation]
            if answer.finished:  # at a stop string, while the engine was ahead
                continue
            try:
                delta = answer.take(item)
            except Exception:
                self._watches[generation].end("error")
                raise
            if delta.finish_reason is not None:
                self._watches[generation].end(delta.finish_reason)
                self._engine.cancel([generation])
                self._left -= 1
            return Step(choice, delta)
        raise StopAsyncIteration

    def cancel(self) -> None:
        """Ends what still runs; the reader sees the end at once."""
        self._engine.cancel(list(self._places))
        for watch in self._watches.values():
            watch.end("cancelled")
