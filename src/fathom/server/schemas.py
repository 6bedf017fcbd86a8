"""The request bodies: OpenAI's chat completions and completions, and the extensions local servers agree on.

Types are exact (a string is no number); ranges are checked where the values are used. Fields that have no effect here
and can't mislead anybody (``user``, ``metadata`` ...) are declared and left alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import Field

from .wire import Body, Part

__all__ = [
    "ChatRequest",
    "CompletionRequest",
    "DetokenizeRequest",
    "Message",
    "NamedTool",
    "ResponseFormat",
    "TokenizeRequest",
    "Tool",
    "ToolCall",
]

T = TypeVar("T")
Entries = Annotated[list[T], Field(fail_fast=True)]  # a list of a million faults has one reader of the first
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
TokenIds = Annotated[list[int], Field(min_length=1, fail_fast=True)]


class FunctionCall(Part):
    name: str
    arguments: str


class ToolCall(Part):
    id: str | None = None
    type: Literal["function"] = "function"
    function: FunctionCall


class ContentPart(Part):
    type: str
    text: str | None = None


class Message(Part):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | Entries[ContentPart] | None = None
    name: str | None = None
    tool_calls: Entries[ToolCall] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None  # what reasoning models thought, as DeepSeek's API hands it out and back


class FunctionSpec(Part):
    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Part):
    type: Literal["function"]
    function: FunctionSpec


class FunctionName(Part):
    name: Name


class NamedTool(Part):
    type: Literal["function"]
    function: FunctionName


class JsonSchema(Part):
    name: Name
    description: str | None = None
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")
    strict: bool | None = None


class ResponseFormat(Part):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class StreamOptions(Part):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None  # padding against traffic analysis; nothing to pad on a loopback


class Sampling(Body):
    """What both generating routes take."""

    model: str | None = None
    max_tokens: int | None = None
    max_seconds: float | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    seed: int | None = None
    stop: str | Entries[str] | None = None
    ignore_eos: bool | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    regex: str | None = None
    grammar: str | None = None
    choice: Annotated[list[str], Field(min_length=1, fail_fast=True)] | None = None
    cache_salt: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    user: str | None = None


class ChatRequest(Sampling):
    unsupported: ClassVar[Mapping[str, tuple[object, ...]]] = {
        "audio": (),
        "function_call": (),
        "functions": (),
        "modalities": (["text"],),
        "moderation": (),
        "prediction": (),
        "reasoning_effort": ("none",),
        "service_tier": ("auto", "default"),
        "store": (False,),
        "verbosity": ("medium",),
        "web_search_options": (),
    }

    texts: ClassVar[tuple[str, ...]] = ("messages", "tools")

    messages: Annotated[list[Message], Field(min_length=1, fail_fast=True)]
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    response_format: ResponseFormat | None = None
    tools: Entries[Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    metadata: dict[str, str] | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None


class CompletionRequest(Sampling):
    unsupported: ClassVar[Mapping[str, tuple[object, ...]]] = {"best_of": (1,), "suffix": ("",)}
    texts: ClassVar[tuple[str, ...]] = ("prompt",)

    prompt: str | TokenIds | Entries[str] | Entries[TokenIds]
    echo: bool | None = None
    return_token_ids: bool | None = None
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None


class TokenizeRequest(Body):
    content: str
    add_special: bool = False
    parse_special: bool = False  # control tokens spelled in the content become their ids, as llama.cpp's server has it


class DetokenizeRequest(Body):
    tokens: Entries[int]
