"""Continuous batching: one thread steps the model for all generations that live.

A step is: plan, one pass over the model, a token for each generation that has caught up. Whoever submits a generation
is told its tokens as they come. The thread lives while there is work.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from ..errors import FathomError
from .generation import Generation, Item, Token
from .pages import PAGE, PagePool
from .runner import Segment
from .scheduler import Scheduler

__all__ = ["Engine", "Model"]

SHARED_SECONDS = 0.5  # a step may take about so long where several wait for it
Emit = Callable[[Generation, Item], object]
Step = tuple[Generation, Segment]


class Model(Protocol):
    """What the engine needs of a model (NativeModel is one)."""

    max_tokens: int

    def new_pages(self, count: int) -> Any: ...
    def step(self, segments: Sequence[Segment], pages: Any) -> npt.NDArray[np.float32]: ...


class Engine:
    """``pages`` pages of 64 tokens are all that live generations, and what is kept of ended ones, can hold."""

    def __init__(self, model: Model, pages: int, *, max_running: int = 32) -> None:
        self._model, self._pages = model, model.new_pages(pages)
        self.scheduler = Scheduler(PagePool(pages), max_running=max_running)
        self._lock = threading.Lock()  # of what follows, and of the scheduler
        self._thread: threading.Thread | None = None
        self._steps: list[Step] = []  # of the pass that runs
        self._closed: FathomError | None = None
        self._rate = 0.0  # prompt tokens a second, lately

    def submit(self, generations: Sequence[Generation], emit: Emit, *, most: int | None = None) -> None:
        """Queues generations; ``emit`` is told their tokens, then the end, and must neither block nor fail.

        It runs in the engine's thread, or in one that cancels or closes. Raises ``queue_full`` where ``most`` live
        already, ``context_length_exceeded`` and ``shutting_down``, and then nothing is queued.
        """
        now = time.monotonic()
        with self._lock:
            if self._closed:
                raise self._closed
            if most is not None and len(self.scheduler) >= most:
                raise FathomError("queue_full", waiting=max(0, len(self.scheduler) - self.scheduler.max_running))
            try:
                for generation in generations:
                    generation.emit, generation.submitted = emit, now
                    generation.deadline = now + (generation.params.max_seconds or float("inf"))
                    self.scheduler.add(generation)
                if self._thread is None and generations:
                    thread = threading.Thread(target=self._run, name="engine", daemon=True)
                    thread.start()  # or fails, where the system has no more; it waits for the lock
                    self._thread = thread
            except Exception:
                for generation in generations:
                    self.scheduler.end(generation)
                raise

    def cancel(self, generations: Sequence[Generation], *, wait: bool = True) -> None:
        """Ends those that live, at once; a pass that nobody waits for any more stops at its next op.

        Without ``wait`` perhaps only before the next step: what the garbage collector calls may find itself in the
        thread that has the lock.
        """
        if not self._lock.acquire(blocking=wait):
            for generation in generations:
                generation.deadline = 0.0
            return
        try:
            for generation in generations:
                self._end(generation, "cancelled")
            self._interrupt()
        finally:
            self._lock.release()

    def drain(self, error: FathomError) -> None:
        """Turns away newcomers and those who wait; those that have begun go on."""
        with self._lock:
            self._closed = error
            for generation in self._live():
                if not generation.started:
                    self._end(generation, error)

    def stop(self, error: FathomError) -> None:
        """Turns away newcomers and ends everything."""
        with self._lock:
            self._closed = error
            for generation in self._live():
                self._end(generation, error)
            self._interrupt()

    def close(self) -> None:
        """Ends everything, and the thread."""
        error = FathomError("shutting_down")
        if self._thread is threading.current_thread():  # the garbage collector calls, perhaps amid a step
            self._closed = error
            return self.cancel(self._live(), wait=False)
        self.stop(error)
        if thread := self._thread:
            thread.join()

    def _run(self) -> None:
        try:
            while steps := self._plan():
                self._step(steps)
        except Exception as error:  # a fault of ours: better told than waited for
            with self._lock:
                self._thread = None
                self.scheduler.failed()
                for generation in self._live():
                    self._end(generation, error)
            raise

    def _plan(self) -> list[Step]:
        now = time.monotonic()
        with self._lock:
            for generation in self._live():
                if generation.deadline <= now:
                    self._end(generation, "deadline")
            self._steps = []
            for request, n in self.scheduler.plan(self._budget()):
                generation, start = cast(Generation, request), request.num_computed
                if not generation.started:
                    generation.started, generation.cached_tokens = now, start
                tokens = generation.tokens[start : start + n]
                self._steps.append((generation, Segment(tokens, start, generation.table, generation.wanted(n))))
            self._pages.interrupt(False)
            if not self._steps:
                self._thread = None
            return self._steps

    def _budget(self) -> int:
        """Tokens of the next step: all that a pass takes for one alone, else what SHARED_SECONDS allow."""
        if len(self.scheduler) == 1:
            return self._model.max_tokens
        tokens = int(self._rate * SHARED_SECONDS) // PAGE * PAGE
        return min(max(tokens, self.scheduler.least_budget), self._model.max_tokens)

    def _step(self, steps: list[Step]) -> None:
        try:
            items = self._compute(steps)
        except Exception as error:  # belongs to those who asked: the engine goes on with the others
            with self._lock:
                self.scheduler.failed()
                for generation, _ in steps:
                    self._end(generation, error)
            return
        with self._lock:
            plan = [(generation, len(segment.tokens)) for generation, segment in steps]
            self.scheduler.done(plan, [item.id if isinstance(item, Token) else None for item in items])
            for (generation, _), item in zip(steps, items, strict=True):
                if isinstance(item, Token) and generation.live:
                    if item.finish_reason is not None:
                        self.scheduler.end(generation)
                    generation.emit(generation, item)
                elif isinstance(item, Exception):
                    self._end(generation, item)
                elif generation.pending == 0:  # no token was wanted
                    self._end(generation, "length")

    def _compute(self, steps: list[Step]) -> list[Item | None]:
        """The pass, and a token of each generation that it brought to the end of what is pending."""
        began = time.monotonic()
        logits = self._model.step([segment for _, segment in steps], self._pages)
        if (tokens := sum(len(segment.tokens) for _, segment in steps)) >= PAGE:
            rate = tokens / (time.monotonic() - began)
            self._rate = (self._rate + rate) / 2 if self._rate else rate
        items: list[Item | None] = []
        row = 0
        for generation, segment in steps:
            rows, row = logits[row : row + segment.wanted], row + segment.wanted
            try:
                items.append(generation.take(segment, rows) if generation.live else None)
            except Exception as error:  # of this one alone
                items.append(error)
        return items

    def _live(self) -> list[Generation]:
        return cast(list[Generation], [*self.scheduler.running, *self.scheduler.waiting])

    def _end(self, generation: Generation, item: Item) -> None:
        if generation.live:
            self.scheduler.end(generation)
            generation.emit(generation, item)

    def _interrupt(self) -> None:
        if self._steps and not any(generation.live for generation, _ in self._steps):
            self._pages.interrupt(True)
