"""A checked request and its answers: what the engine emits, token by token, becomes text, calls and facts."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING

from .engine.engine import Engine
from .engine.generation import FinishReason, Generation, Item, ScoredToken, Token
from .engine.sampling import SamplingParams
from .text.detokenize import Detokenizer, StopChecker
from .text.tokenizer import Tokenizer
from .text.tools import CallReader, ToolCall, ToolFormat

if TYPE_CHECKING:
    from .llm import LLM

__all__ = ["Answer", "Completion", "Delta", "Request", "Timings", "stream"]


@dataclass(frozen=True, slots=True)
class Timings:
    prompt_seconds: float  # from its start to the first token
    decode_seconds: float  # from there to the last
    cached_tokens: int  # of the prompt, found in the cache
    queue_seconds: float = 0.0  # before its start

    @classmethod
    def of(cls, generation: Generation) -> Timings:
        g, now = generation, time.monotonic()
        started = g.started or now
        first = g.first or now
        return cls(first - started, (g.last or first) - first, g.cached_tokens, started - g.submitted)


@dataclass(frozen=True, slots=True)
class Delta:
    """What a streamed answer grew by.

    ``finish_reason``, ``timings`` and ``tool_calls`` stand on the last delta of an answer, ``prompt_logprobs`` on the
    first. End tokens are not among ``token_ids``: with ``logprobs``, ``end`` is the one that was sampled.
    """

    text: str
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[Token, ...] | None = None
    finish_reason: FinishReason | None = None
    index: int = 0  # of the answer, where several (``n``) were asked for
    prompt_tokens: int = 0
    prompt_logprobs: tuple[ScoredToken, ...] | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    timings: Timings | None = None
    end: Token | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole answer."""

    text: str
    token_ids: tuple[int, ...]
    finish_reason: FinishReason
    prompt_tokens: int
    index: int = 0
    logprobs: tuple[Token, ...] | None = None
    prompt_logprobs: tuple[ScoredToken, ...] | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    timings: Timings | None = None

    @property
    def completion_tokens(self) -> int:
        return len(self.token_ids)


class Request:
    """One prompt and how to continue it, checked; nothing has run yet. It is good for one run."""

    def __init__(
        self,
        llm: LLM,
        prompt: list[int],
        params: SamplingParams,
        strip_space: bool = False,
        tool_format: ToolFormat | None = None,
    ) -> None:
        self.prompt, self.params = prompt, params
        self._llm = llm  # which closes its engine when it is forgotten
        if params.stop or params.constraints():
            _ = llm.tokenizer  # raises where there is none
        self.answers = []
        tokenizer = llm.tokenizer if llm.has_tokenizer else None
        end_ids = llm.end_ids
        for index in range(params.n):
            generation = Generation(
                prompt,
                params,
                vocab_size=llm.config.vocab_size,
                context=llm.context_length,
                end_ids=end_ids,
                constraint=llm.constraint(params),
                index=index,
            )
            writer = _Writer(tokenizer, params.stop, strip_space, tool_format) if tokenizer else None
            self.answers.append(Answer(generation, index, writer))

    def cancel(self) -> None:
        """Ends the request at once; callable from any thread."""
        self._llm.engine.cancel([answer.generation for answer in self.answers])

    def stream(self) -> Generator[Delta, None, None]:
        """The deltas of all answers as they come; they run side by side."""
        for _, delta in stream(self._llm.engine, self.answers):
            yield delta


def stream(engine: Engine, answers: Sequence[Answer]) -> Generator[tuple[Answer, Delta], None, None]:
    """Runs the answers side by side; what they grow by, as it comes. Leaving it cancels those that still run."""
    if any(answer.generation.submitted for answer in answers):
        raise ValueError("a request is good for one run")
    items: SimpleQueue[tuple[Generation, Item]] = SimpleQueue()
    by_generation = {answer.generation: answer for answer in answers}
    left, wait = len(answers), True
    try:
        engine.submit(list(by_generation), lambda generation, item: items.put((generation, item)))
        while left:
            generation, item = items.get()
            answer = by_generation[generation]
            if answer.finished:  # at a stop string, while the engine was ahead
                continue
            delta = answer.take(item)
            if answer.finished:
                engine.cancel([generation])
                left -= 1
            yield answer, delta
    except GeneratorExit:
        wait = False  # it may be the garbage collector's, in any thread
        raise
    finally:
        engine.cancel(list(by_generation), wait=wait)


class Answer:
    """One answer as it grows."""

    def __init__(self, generation: Generation, index: int, writer: _Writer | None) -> None:
        self.generation, self.index = generation, index
        self.finished = False
        self._writer = writer
        self._started = False

    def take(self, item: Item) -> Delta:
        """What the answer grows by; an error is raised."""
        if isinstance(item, Exception):
            self.finished = True
            raise item
        generation, writer = self.generation, self._writer
        sampled = item if isinstance(item, Token) else None
        token, end = (None, sampled) if sampled and sampled.is_end else (sampled, None)
        text = writer.push(token.id) if writer and token else ""
        reason = item.finish_reason if isinstance(item, Token) else item
        if writer and writer.stopped:
            reason = "stop"
        self.finished = reason is not None
        scored = generation.prompt_logprobs if not self._started else None
        self._started = True
        return Delta(
            text=text + (writer.flush() if writer and self.finished else ""),
            token_ids=(token.id,) if token else (),
            logprobs=None if generation.params.logprobs is None else (token,) if token else (),
            finish_reason=reason,
            index=self.index,
            prompt_tokens=generation.prompt_length,
            prompt_logprobs=None if scored is None else tuple(scored),
            tool_calls=writer.calls if writer and self.finished else (),
            timings=Timings.of(generation) if self.finished else None,
            end=None if generation.params.logprobs is None else end,
        )

    def join(self, deltas: Sequence[Delta]) -> Completion:
        """The whole answer of all its deltas."""
        last = deltas[-1]
        assert last.finish_reason is not None
        scored = self.generation.params.logprobs is not None
        return Completion(
            text="".join(d.text for d in deltas),
            token_ids=tuple(i for d in deltas for i in d.token_ids),
            finish_reason=last.finish_reason,
            prompt_tokens=last.prompt_tokens,
            index=last.index,
            logprobs=tuple(t for d in deltas for t in d.logprobs or ()) if scored else None,
            prompt_logprobs=deltas[0].prompt_logprobs,
            tool_calls=last.tool_calls,
            timings=last.timings,
        )


class _Writer:
    """Token ids to the text of an answer: whole characters, cut before a stop string, without the template's space.

    Where tools were offered, calls are taken out of the text.
    """

    def __init__(
        self, tokenizer: Tokenizer, stops: Sequence[str], strip_space: bool, tool_format: ToolFormat | None
    ) -> None:
        shown = {i for i, text in tokenizer.controls.items() if tool_format and text in tool_format}
        self._detokenizer = Detokenizer(tokenizer, shown=shown)
        self._checker = StopChecker(stops)
        self._reader = CallReader(tool_format) if tool_format else None
        self._strip_space = strip_space

    @property
    def stopped(self) -> bool:
        return self._checker.matched is not None

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        return self._reader.calls if self._reader else ()

    def push(self, token: int) -> str:
        return self._read(self._checker.push(self._stripped(self._detokenizer.push(token))))

    def flush(self) -> str:
        rest = self._checker.push(self._stripped(self._detokenizer.flush())) + self._checker.flush()
        return self._read(rest) + (self._reader.finish() if self._reader else "")

    def _stripped(self, text: str) -> str:
        if self._strip_space and text:
            text, self._strip_space = text.removeprefix(" "), False
        return text

    def _read(self, text: str) -> str:
        return self._reader.push(text) if self._reader else text
