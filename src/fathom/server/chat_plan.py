"""A chat request's fields as the model's own: messages for the template, sampling, tools.

Everything that can be wrong with a request is found here, before it takes a place in the line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import FathomError
from .generation import sampling_of
from .schemas import ChatRequest, Message, NamedTool, Tool

if TYPE_CHECKING:
    from ..llm import LLM
    from ..request import Request

__all__ = ["ChatPlan", "given_texts", "plan_chat"]


@dataclass(frozen=True, slots=True)
class ChatPlan:
    request: Request
    named: bool  # tool_choice names a function: OpenAI then ends with "stop" instead of "tool_calls"


def plan_chat(llm: LLM, body: ChatRequest) -> ChatPlan:
    named = isinstance(body.tool_choice, NamedTool)
    tools, choice = _tools(body)
    params = llm.params(**sampling_of(body), **_length(body), **_logprobs(body), **_format(body))
    if tools and choice == "auto" and (used := params.constraints()):
        problem = f"can't be left to the model together with {used[0]}; set it to none or required"
        raise FathomError("parameter_invalid", param="tool_choice", problem=problem)
    request = llm.chat_request(
        [_told(message) for message in body.messages],
        params,
        tools=[tool.model_dump(exclude_none=True) for tool in tools],
        tool_choice=choice,
        parallel_calls=body.parallel_tool_calls is not False and not named,
    )
    return ChatPlan(request, named)


def given_texts(body: ChatRequest) -> Iterator[str]:
    """The texts that no template leaves out: all but the assistant's."""
    for message in body.messages:
        if message.role != "assistant" and message.content is not None:
            parts = [message.content] if isinstance(message.content, str) else [p.text or "" for p in message.content]
            yield from parts


def _told(message: Message) -> dict[str, Any]:
    """The message as templates read it: what OpenAI's API declares, and the reasoning some models want back."""
    told = message.model_dump(exclude_none=True, exclude=set(message.model_extra or ()))
    if "content" not in told and message.refusal is not None:
        told["content"] = message.refusal
    return told


def _tools(body: ChatRequest) -> tuple[list[Tool], str]:
    """The tools to offer and how much the request insists. A function that is named is the only one offered."""
    tools, choice = body.tools or [], body.tool_choice
    names = [tool.function.name for tool in tools]
    if len(set(names)) < len(names):
        raise FathomError("parameter_invalid", param="tools", problem="two functions have the same name")
    if isinstance(choice, NamedTool):
        named = [tool for tool in tools if tool.function.name == choice.function.name]
        if not named:
            problem = f"{choice.function.name!r} is not among the tools"
            raise FathomError("parameter_invalid", param="tool_choice", problem=problem)
        return named, "required"
    return tools, choice or "auto"


def _length(body: ChatRequest) -> dict[str, Any]:
    if body.max_completion_tokens is None:
        return {}
    if body.max_tokens is not None:
        problem = "can't be used together with max_completion_tokens"
        raise FathomError("parameter_invalid", param="max_tokens", problem=problem)
    return {"max_tokens": body.max_completion_tokens}


def _logprobs(body: ChatRequest) -> dict[str, Any]:
    if body.logprobs:
        return {"logprobs": body.top_logprobs or 0}
    if body.top_logprobs:
        raise FathomError("parameter_invalid", param="top_logprobs", problem="needs logprobs to be true")
    return {}


def _format(body: ChatRequest) -> dict[str, Any]:
    wanted = body.response_format
    if wanted is None or wanted.type == "text":
        return {}
    if wanted.type == "json_object":
        return {"json_object": True}
    schema = wanted.json_schema and wanted.json_schema.schema_
    if schema is None:
        raise FathomError("parameter_invalid", param="response_format.json_schema.schema", problem="missing")
    return {"json_schema": schema}
