"""Generations, one at a time, in order of arrival, in a thread of their own.

The one idea: a thread pool of one worker *is* a first-in first-out queue. :class:`Line` bounds it, :class:`Job` is one
place in it: an asynchronous iterator over what the worker yields. A job cancelled while it waits leaves the line
at once; one that runs stops at its next item. The worker never waits for a slow reader, so a stalled client can't hold
up those behind it; one that falls too far behind is given up.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any, Generic, TypeVar

from ..errors import FathomError

__all__ = ["Job", "Line"]

T = TypeVar("T")
Work = Callable[[], Generator[T, None, None]]
MAX_UNREAD = 2**16  # items; a bound on the memory a stalled reader can cost


class Job(Generic[T]):
    """One request's generation; iterate it in the event loop that submitted it. An item is never None."""

    def __init__(self, loop: asyncio.AbstractEventLoop, stop: Callable[[], object]) -> None:
        self._loop, self._stop_work = loop, stop
        self._items: asyncio.Queue[T | Exception | None] = asyncio.Queue()  # None: the end
        self._stop = threading.Event()
        self._future: Future[None] | None = None

    def __aiter__(self) -> Job[T]:
        return self

    async def __anext__(self) -> T:
        item = await self._items.get()
        if item is None:
            raise StopAsyncIteration
        if isinstance(item, Exception):
            raise item
        return item

    def cancel(self, error: FathomError | None = None) -> None:
        """Stop the work; the reader sees the end, or ``error``, at once even where the worker needs a moment more."""
        self._stop.set()
        self._stop_work()
        if self._future is not None:
            self._future.cancel()
        self._items.put_nowait(error)

    def run(self, work: Work[T]) -> None:
        """The worker's side."""
        try:
            with closing(work()) as items:
                for item in items:
                    if self._stop.is_set():
                        return
                    if self._items.qsize() > MAX_UNREAD:
                        raise FathomError("reader_stalled", items=MAX_UNREAD)
                    self._put(item)
            self._put(None)
        except Exception as error:  # whatever fails in the model belongs to the reader, not to the worker
            self._put(error)

    def _put(self, item: T | Exception | None) -> None:
        in_loop(self._loop, self._items.put_nowait, item)


def in_loop(loop: asyncio.AbstractEventLoop, call: Callable[[T], object], argument: T) -> None:
    with suppress(RuntimeError):  # the loop has ended: there is nobody to tell
        loop.call_soon_threadsafe(call, argument)


class Line:
    """The bounded queue in front of the model."""

    def __init__(self, max_queue: int) -> None:
        self.max_queue = max_queue
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="generate")
        self._jobs: list[Job[Any]] = []  # in order of arrival; the first one runs
        self._closing = False

    def __len__(self) -> int:
        """Jobs that run or wait."""
        return len(self._jobs)

    def submit(self, work: Work[T], stop: Callable[[], object] = lambda: None) -> Job[T]:
        """Take a place in the line; raises ``queue_full`` where ``max_queue`` others wait already.

        ``stop`` is called when the job is cancelled: it may end the work between two items.
        """
        if self._closing:
            raise FathomError("shutting_down")
        if len(self) > self.max_queue:
            raise FathomError("queue_full", waiting=len(self) - 1)
        loop = asyncio.get_running_loop()
        job: Job[T] = Job(loop, stop)
        self._jobs.append(job)
        job._future = self._worker.submit(job.run, work)
        job._future.add_done_callback(lambda _: in_loop(loop, self._jobs.remove, job))
        return job

    def drain(self, grace_s: float) -> None:
        """Turn away those who wait and newcomers; give the running job ``grace_s`` seconds to end."""
        self._closing = True
        error = FathomError("shutting_down")
        for job in self._jobs[1:]:
            job.cancel(error)
        for job in self._jobs[:1]:
            asyncio.get_running_loop().call_later(grace_s, job.cancel, error)

    async def close(self) -> None:
        """Cancel everything and wait for the worker to end."""
        self._closing = True
        for job in self._jobs:
            job.cancel(FathomError("shutting_down"))
        await asyncio.to_thread(self._worker.shutdown)
