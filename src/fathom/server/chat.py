"""POST /v1/chat/completions."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from .chat_plan import ChatPlan, given_texts, plan_chat
from .generation import Meter, finish, head, respond
from .jobs import Step
from .logprobs import chat_entry
from .schemas import ChatRequest
from .service import Service, service_of
from .wire import body_of

if TYPE_CHECKING:
    from ..llm import LLM, ToolCall
    from ..request import Delta

__all__ = ["router"]

router = APIRouter()


@router.post("/v1/chat/completions")
async def create_chat_completion(
    request: Request,
    body: Annotated[ChatRequest, Depends(body_of(ChatRequest))],
    service: Annotated[Service, Depends(service_of)],
) -> Response:
    service.admit(body, given_texts(body))
    llm = service.llm
    plan = await asyncio.to_thread(plan_chat, llm, body)
    answer = Answer(llm, plan, body, service.model_name)
    return await respond(request, service, [plan.request], answer, body)


@dataclass(slots=True)
class Choice:
    """One answer as it grows."""

    named: bool  # the request named the function
    text: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)
    logprobs: list[dict[str, Any]] = field(default_factory=list)  # not sent yet
    started: bool = False
    finish_reason: str | None = None

    def take(self, delta: Delta) -> None:
        self.text += delta.text
        if delta.finish_reason is not None:
            self.calls = _calls(delta.tool_calls)
            called = bool(self.calls) and delta.finish_reason == "stop" and not self.named
            self.finish_reason = "tool_calls" if called else finish(delta)

    def message(self) -> dict[str, Any]:
        content = None if self.calls and not self.text else self.text
        message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
        return {**message, "tool_calls": self.calls} if self.calls else message


def _calls(calls: Sequence[ToolCall]) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{secrets.token_hex(12)}",
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for call in calls
    ]


def _call_deltas(calls: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """For each call what it is, then its arguments."""
    for i, call in enumerate(calls):
        opening = {**call, "function": {**call["function"], "arguments": ""}}
        yield {"tool_calls": [{"index": i, **opening}]}
        yield {"tool_calls": [{"index": i, "function": {"arguments": call["function"]["arguments"]}}]}


class Answer:
    """The response of one request, whole or in chunks."""

    def __init__(self, llm: LLM, plan: ChatPlan, body: ChatRequest, model: str) -> None:
        request = plan.request
        self._tokenizer = llm.tokenizer
        self._head = head("chatcmpl", "chat.completion.chunk" if body.stream else "chat.completion", model)
        self._logprobs = bool(body.logprobs)
        self._with_usage = bool(body.stream_options and body.stream_options.include_usage)
        self._meter = Meter(len(request.prompt))
        self._choices = [Choice(plan.named) for _ in range(request.params.n)]

    def take(self, step: Step) -> None:
        choice, delta = self._choices[step.choice], step.delta
        self._meter.add(delta)
        if self._logprobs:
            choice.logprobs += [chat_entry(token, self._tokenizer) for token in delta.logprobs or ()]
        choice.take(delta)

    def whole(self) -> dict[str, Any]:
        choices = [
            {
                "index": i,
                "message": choice.message(),
                "logprobs": {"content": choice.logprobs, "refusal": None} if self._logprobs else None,
                "finish_reason": choice.finish_reason,
            }
            for i, choice in enumerate(self._choices)
        ]
        return {**self._head, "choices": choices, **self._meter.dump()}

    def chunks(self, step: Step) -> Iterator[dict[str, Any]]:
        choice = self._choices[step.choice]
        self.take(step)
        if not choice.started:
            choice.started = True
            yield self._chunk(step.choice, {"role": "assistant", "content": ""})
        if step.delta.text:
            yield self._chunk(step.choice, {"content": step.delta.text}, choice.logprobs)
            choice.logprobs = []
        if choice.finish_reason is None:
            return
        for delta in _call_deltas(choice.calls):
            yield self._chunk(step.choice, delta)
        yield self._chunk(step.choice, {}, choice.logprobs, choice.finish_reason)
        if self._with_usage and all(choice.finish_reason for choice in self._choices):
            yield {**self._head, "choices": [], **self._meter.dump()}

    def _chunk(
        self, index: int, delta: dict[str, Any], logprobs: list[dict[str, Any]] | None = None, finish: str | None = None
    ) -> dict[str, Any]:
        wrapped = {"content": logprobs, "refusal": None} if logprobs else None
        choice = {"index": index, "delta": delta, "logprobs": wrapped, "finish_reason": finish}
        chunk = {**self._head, "choices": [choice]}
        return {**chunk, "usage": None} if self._with_usage else chunk
