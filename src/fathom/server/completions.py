"""POST /v1/completions: the legacy route of evaluation harnesses: token-id prompts, echo, prompt logprobs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, cast

from fastapi import APIRouter, Depends, Request, Response

from ..errors import FathomError
from .generation import Meter, finish, head, respond, sampling_of
from .jobs import Step
from .logprobs import Columns
from .schemas import CompletionRequest
from .service import Service, service_of
from .wire import body_of

if TYPE_CHECKING:
    from ..llm import LLM
    from ..request import Request as Work

__all__ = ["router"]

router = APIRouter()
MAX_CHOICES = 1024  # prompts times n in one request


@router.post("/v1/completions")
async def create_completion(
    request: Request,
    body: Annotated[CompletionRequest, Depends(body_of(CompletionRequest))],
    service: Annotated[Service, Depends(service_of)],
) -> Response:
    prompts = [body.prompt] if isinstance(body.prompt, str) else body.prompt
    service.admit(body, [max((prompt for prompt in prompts if isinstance(prompt, str)), key=len, default="")])
    llm = service.llm
    requests = await asyncio.to_thread(plan, llm, body)
    answer = Answer(llm, requests, body, service.model_name)
    return await respond(request, service, requests, answer, body)


def plan(llm: LLM, body: CompletionRequest) -> list[Work]:
    sampling = {"max_tokens": 16, **sampling_of(body)}  # 16 is OpenAI's default for this route
    if body.logprobs is not None:
        sampling["logprobs"] = body.logprobs
        if body.echo:
            sampling["prompt_logprobs"] = body.logprobs
    params = llm.params(**sampling)
    prompts = _prompts(body.prompt)
    if len(prompts) * params.n > MAX_CHOICES:
        problem = f"{len(prompts)} prompts of {params.n} choices; at most {MAX_CHOICES} choices together"
        raise FathomError("parameter_invalid", param="prompt", problem=problem)
    return [llm.request(prompt, params) for prompt in prompts]


def _prompts(prompt: str | list[int] | list[str] | list[list[int]]) -> Sequence[str | list[int]]:
    match prompt:
        case []:
            raise FathomError("prompt_empty", param="prompt")
        case str() | [int(), *_]:
            return [cast("str | list[int]", prompt)]
    return cast("list[str] | list[list[int]]", prompt)


@dataclass(slots=True)
class Choice:
    text: str = ""
    started: bool = False
    finish_reason: str | None = None
    columns: Columns | None = None  # log-probabilities, where asked for
    token_ids: list[int] = field(default_factory=list)  # not sent yet


class Answer:
    """The response of one request, whole or in chunks."""

    def __init__(self, llm: LLM, requests: list[Work], body: CompletionRequest, model: str) -> None:
        self._requests, self._llm, self._echo = requests, llm, bool(body.echo)
        self._with_ids = bool(body.return_token_ids)
        self._meter = Meter(sum(len(request.prompt) for request in requests))
        self._with_usage = bool(body.stream_options and body.stream_options.include_usage)
        self._head = head("cmpl", "text_completion", model)
        self._n = requests[0].params.n
        count = len(requests) * self._n
        tokenizer = llm.tokenizer if self._echo or body.logprobs is not None else None  # raises where there is none
        scored = tokenizer if body.logprobs is not None else None
        self._choices = [Choice(columns=Columns(scored) if scored else None) for _ in range(count)]

    def take(self, step: Step) -> str:
        """The text ``step`` adds."""
        choice, delta = self._choices[step.choice], step.delta
        text = delta.text
        if self._echo and not choice.started:
            text = self._llm.tokenizer.decode(self._requests[step.choice // self._n].prompt) + text
        choice.started = True
        if choice.columns is not None:
            choice.columns.add(delta.prompt_logprobs or ())
            choice.columns.add(delta.logprobs or ())
            # Harnesses ask for one token and drop the last entry: an end token left out would cost the prompt's last.
            choice.columns.add((delta.end,) if delta.end else ())
        choice.text += text
        choice.token_ids += delta.token_ids
        choice.finish_reason = finish(delta)
        self._meter.add(delta)
        return text

    def whole(self) -> dict[str, Any]:
        choices = [self._choice(i, choice.text) for i, choice in enumerate(self._choices)]
        return {**self._head, "choices": choices, **self._meter.dump()}

    def chunks(self, step: Step) -> Iterator[dict[str, Any]]:
        text = self.take(step)
        finished = self._choices[step.choice].finish_reason is not None
        if text or finished or (self._with_ids and step.delta.token_ids):
            chunk = {**self._head, "choices": [self._choice(step.choice, text)]}
            yield {**chunk, "usage": None} if self._with_usage else chunk
        if self._with_usage and finished and all(choice.finish_reason for choice in self._choices):
            yield {**self._head, "choices": [], **self._meter.dump()}

    def _choice(self, index: int, text: str) -> dict[str, Any]:
        choice = self._choices[index]
        logprobs = choice.columns.take() if choice.columns is not None else None
        told = {"index": index, "text": text, "logprobs": logprobs, "finish_reason": choice.finish_reason}
        token_ids, choice.token_ids = choice.token_ids, []
        return {**told, "token_ids": token_ids} if self._with_ids else told
