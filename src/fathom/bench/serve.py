"""Load on an OpenAI-compatible server, over HTTP as its clients would be; metrics have vLLM's names.

Each client asks, reads the stream to its end and asks again. A server that is full (429) is asked again after the time
it names; times count from the attempt that is answered. One request before the first is not measured.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import httpx
import numpy as np

from fathom.errors import FathomError

__all__ = ["Load", "Server", "measure"]

Report = Callable[[int, int], object]  # requests done, requests in all; or seconds
TICK_S = 0.2  # between two reports
SILENCE_S = 600.0  # of a server, after which a request has failed
STOP_S = 20.0  # for a server of ours to end
LAST_BYTES = 1 << 16  # of its log that are read
VOCABULARY = 1000  # ids that every vocabulary has, where the server does not tell how many there are


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked. ``requests`` is None where it goes on for ``seconds``; then what still runs is cut."""

    requests: int | None = 32
    seconds: float | None = None
    concurrency: int = 32
    prompt_tokens: int = 128  # of its own
    prefix_tokens: int = 0  # in front of them, the same in all prompts
    decode_tokens: int = 64
    seed: int = 0

    def prompt(self, number: int, vocabulary: int) -> list[int]:
        """The random token ids of request ``number``, -1 for the one that is not measured."""
        prefix = np.random.default_rng(self.seed).integers(vocabulary, size=self.prefix_tokens)
        own = np.random.default_rng([self.seed, number + 1]).integers(vocabulary, size=self.prompt_tokens)
        return [*prefix.tolist(), *own.tolist()]


class Answer(NamedTuple):
    """Of one request, seconds."""

    first: float  # to the first token
    steps: list[float]  # between chunks of the stream
    whole: float  # to the last token
    tokens: int


class _Failed(Exception):
    """One request has; the server may still be well."""


def measure(url: str, load: Load, *, api_key: str | None = None, report: Report = lambda *_: None) -> dict[str, Any]:
    """Puts ``load`` on the server at ``url``. Raises ``bench_server`` where it can't be asked, or ends."""
    return asyncio.run(_Run(url, load, api_key).measure(report))


class _Run:
    def __init__(self, url: str, load: Load, api_key: str | None) -> None:
        self.url, self.load = url, load
        self._headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._clients = min(load.concurrency, load.requests or load.concurrency)
        self._begin()

    def _begin(self) -> None:
        self._asked = self._failed = self._rejected = self._input = 0
        self._answers: list[Answer] = []
        self._tokens = [0] * self._clients  # that each has got
        self._problem = ""  # of the last request that failed

    async def measure(self, report: Report) -> dict[str, Any]:
        limits, timeout = httpx.Limits(max_connections=None), httpx.Timeout(SILENCE_S, connect=10)
        how: Any = {"headers": self._headers, "limits": limits, "timeout": timeout, "trust_env": False}
        async with httpx.AsyncClient(base_url=self.url, **how) as self._http:
            self._model, self._vocabulary = await self._card()
            try:
                await self._ask(-1, 0)
            except (_Failed, httpx.HTTPError) as error:
                raise self._error(error) from None
            self._begin()
            tasks = [asyncio.create_task(self._client(place)) for place in range(self._clients)]
            try:
                seconds = await self._wait(tasks, report)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        if self._failed and not self._answers:
            raise self._error(self._problem)
        return self._figures(seconds)

    async def _card(self) -> tuple[str, int]:
        """The name of the first model, and how many token ids it has."""
        try:
            reply = await self._http.get("/v1/models")
            if reply.status_code != 200:
                raise self._error(_problem(reply))
            card = reply.json()["data"][0]
            return card["id"], (card.get("meta") or {}).get("n_vocab") or VOCABULARY
        except httpx.HTTPError as error:
            raise self._error(error) from None
        except (ValueError, LookupError, TypeError, AttributeError):
            raise self._error("GET /v1/models names no model; is it an OpenAI-compatible server?") from None

    async def _wait(self, tasks: Sequence[asyncio.Task[None]], report: Report) -> float:
        """Until all clients are done, or the time is over; seconds that it took."""
        began, limit = time.perf_counter(), self.load.seconds or float("inf")
        passed, left = 0.0, set(tasks)
        while left and passed < limit:
            timeout = min(TICK_S, limit - passed)
            done, left = await asyncio.wait(left, timeout=timeout, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()  # raises what ended it
            passed = time.perf_counter() - began
            if self.load.requests is None:
                report(int(min(passed, limit)), int(limit))
            else:
                report(len(self._answers) + self._failed, self.load.requests)
        return passed

    async def _client(self, place: int) -> None:
        while self.load.requests is None or self._asked < self.load.requests:
            number, self._asked = self._asked, self._asked + 1
            try:
                self._answers.append(await self._ask(number, place))
            except (_Failed, httpx.HTTPError) as error:
                self._failed += 1
                self._problem = _words(error)
                try:
                    await self._card()
                except FathomError:
                    raise self._error(f"{self._problem}; then it did not answer any more") from None
                await asyncio.sleep(TICK_S)

    async def _ask(self, number: int, place: int) -> Answer:
        body = {
            "model": self._model,
            "prompt": self.load.prompt(number, self._vocabulary),
            "max_tokens": self.load.decode_tokens,
            "temperature": 0,
            "ignore_eos": True,
            "stream": True,
            "stream_options": {"include_usage": True},
            "return_token_ids": True,  # half a character is no text, and yet a token
        }
        while True:
            began = time.perf_counter()
            async with self._http.stream("POST", "/v1/completions", json=body) as reply:
                if reply.status_code == 200:
                    return await self._read(reply, began, place)
                await reply.aread()
            if reply.status_code >= 500:
                raise _Failed(_problem(reply))
            if reply.status_code != 429:  # no other request would fare better
                raise self._error(_problem(reply))
            self._rejected += 1
            await asyncio.sleep(_retry_after(reply))

    async def _read(self, reply: httpx.Response, began: float, place: int) -> Answer:
        marks: list[float] = []
        tokens, whole = 0, False
        async for line in reply.aiter_lines():
            data = line.removeprefix("data:").strip()
            if data == line or not data:
                continue
            if data == "[DONE]":
                whole = True
                continue
            new, usage = _chunk(data)
            if new:
                marks.append(time.perf_counter())
                self._input += self.load.prefix_tokens + self.load.prompt_tokens if len(marks) == 1 else 0
            new = max(new, usage - tokens)
            tokens += new
            self._tokens[place] += new
        if not (whole and marks):
            raise _Failed("a stream ended too early" if not whole else "an answer had no tokens")
        return Answer(marks[0] - began, [b - a for a, b in pairwise(marks)], marks[-1] - began, tokens)

    def _error(self, problem: object) -> FathomError:
        words = _words(problem) if isinstance(problem, Exception) else problem
        return FathomError("bench_server", url=self.url, problem=words)

    def _figures(self, seconds: float) -> dict[str, Any]:
        load, answers, output = self.load, self._answers, sum(self._tokens)
        figures: dict[str, Any] = {
            "bench": "serve",
            "model": self._model,
            "concurrency": load.concurrency,
            "prompt_tokens": load.prompt_tokens,
            "prefix_tokens": load.prefix_tokens,
            "decode_tokens": load.decode_tokens,
            "completed": len(answers),
            "failed": self._failed,
            "rejected": self._rejected,
            "duration": round(seconds, 3),
            "total_input_tokens": self._input,
            "total_output_tokens": output,
            "request_throughput": round(len(answers) / seconds, 3),
            "output_throughput": round(output / seconds, 2),
            "total_token_throughput": round((self._input + output) / seconds, 2),
            "fairness": round(min(self._tokens) / max(self._tokens), 3) if output else None,
        }
        figures |= _summary("ttft", (a.first for a in answers))
        figures |= _summary("tpot", ((a.whole - a.first) / (a.tokens - 1) for a in answers if a.tokens > 1))
        figures |= _summary("itl", (step for a in answers for step in a.steps))
        return figures | _summary("e2el", (a.whole for a in answers))


def _chunk(data: str) -> tuple[int, int]:
    """Of a piece of the stream: tokens that came with it, and tokens in all where that is told, else 0."""
    try:
        chunk = json.loads(data)
        if "error" in chunk:
            raise _Failed(chunk["error"]["message"])
        ids = [choice.get("token_ids") for choice in chunk["choices"]]
        new = sum(
            bool(choice["text"]) if some is None else len(some)
            for choice, some in zip(chunk["choices"], ids, strict=True)
        )
        return new, (chunk.get("usage") or {}).get("completion_tokens", 0)
    except (ValueError, LookupError, TypeError, AttributeError):
        raise _Failed("a piece of the stream is no chunk of a completion") from None


def _summary(name: str, seconds: Iterable[float]) -> dict[str, float | None]:
    """Mean, median and 99th percentile, milliseconds; None where there is nothing."""
    ms = 1e3 * np.array(list(seconds))
    values = (np.mean(ms), *np.percentile(ms, [50, 99])) if ms.size else (None, None, None)
    kinds = zip(("mean", "median", "p99"), values, strict=True)
    return {f"{kind}_{name}_ms": None if value is None else round(float(value), 3) for kind, value in kinds}


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


def _problem(reply: httpx.Response) -> str:
    """A refusal in the server's own words, where it has some."""
    told = ""
    with suppress(ValueError, LookupError, TypeError):
        told = f": {reply.json()['error']['message']}"
    return f"{reply.request.method} {reply.request.url.path} is answered with {reply.status_code}{told}"


def _retry_after(reply: httpx.Response) -> float:
    try:
        return max(float(reply.headers["retry-after"]), 0.0)
    except (KeyError, ValueError):  # none; a date
        return 1.0


class Server:
    """A ``fathom serve`` with these arguments, on a free port of this machine, while the block runs."""

    url = ""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._command = [sys.executable, "-m", "fathom.cli", "serve", *arguments, "--host", "127.0.0.1", "--port", "0"]

    def __enter__(self) -> Server:
        self._log = tempfile.TemporaryFile()
        env = {name: value for name, value in os.environ.items() if name != "FATHOM_API_KEY"}
        null = subprocess.DEVNULL
        self._process = subprocess.Popen(self._command, stdin=null, stdout=null, stderr=self._log, env=env)
        try:
            while not self._ready():
                if self._process.poll() is not None:
                    raise self._end()
                time.sleep(0.05)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        """A server that ended by itself says why, in the place of what that did to its clients."""
        ended = None
        if isinstance(error, FathomError) and error.code == "bench_server":
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(1)
                ended = self._end()
        self._stop()
        if ended:
            raise ended from None

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def rss_mib(self) -> float | None:
        """Memory it has now."""
        status = Path(f"/proc/{self.pid}/status")
        rows = status.read_text().splitlines() if status.exists() else []
        return next((round(int(row.split()[1]) / 1024, 1) for row in rows if row.startswith("VmRSS")), None)

    def _ready(self) -> bool:
        told = re.search(r"http://127\.0\.0\.1:\d+", self._said())
        if told is None:
            return False
        self.url = told[0]
        with suppress(httpx.HTTPError):
            return httpx.get(self.url + "/health", trust_env=False).status_code == 200
        return False

    def _said(self) -> str:
        """The last of what it wrote for people."""
        file = self._log.fileno()
        return os.pread(file, LAST_BYTES, max(0, os.fstat(file).st_size - LAST_BYTES)).decode(errors="replace")

    def _end(self) -> FathomError:
        errors = [line.removeprefix("fathom: ") for line in self._said().splitlines() if line.startswith("fathom: ")]
        problem = errors[-1] if errors else f"ended with exit code {self._process.returncode}"
        return FathomError("bench_server", url=self.url or "fathom serve", problem=problem)

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
