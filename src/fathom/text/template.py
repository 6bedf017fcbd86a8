"""Chat templates: messages -> prompt ids, with the users' text inert.

A template writes control tokens as text beside the users' text. To tell the two apart the control tokens spelled in the
*template's own* literals are replaced, in its syntax tree, by marks: lone surrogates, which no valid text contains.
Whatever else is in the rendered text came from messages, so it is encoded with control tokens disallowed, however the
template cut, stripped or joined it. Literals that are only compared with (``'</think>' in content``) stay as they are.

A template that *computes* control tokens (``'<|' + role + '|>'``) is found out by a probe; for it, spelled-out control
tokens in the messages are broken by one more surrogate instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from jinja2 import nodes

from ..assets import ASSETS
from ..errors import FathomError
from .sandbox import compile_template
from .tokenizer import Tokenizer, spelling, valid
from .tools import (
    DEEPSEEK,
    DEEPSEEK_V31,
    GENERIC,
    ToolFormat,
    calls_as_text,
    checked_tools,
    describe,
    results_as_text,
)

__all__ = ["BUILTIN", "ChatTemplate", "builtin"]

Message = dict[str, Any]

BUILTIN = ("v2-chat", "v2-chat-0628", "v2.5")
_ROLES = {"system", "user", "assistant", "tool"}
_RENAMED_ROLES = {"developer": "system", "function": "tool"}
_TOOL_ROLE = re.compile("""['"]tool['"]""")
_SURROGATE = re.compile("[\ud800-\udfff]")
_FIRST_MARK, _BREAK = 0xD800, "\udfff"
_SEARCHES = frozenset(  # methods and filters whose arguments are looked for, not written
    (
        *("count", "endswith", "find", "index", "lstrip", "partition", "removeprefix", "removesuffix", "replace"),
        *("rfind", "rindex", "rpartition", "rsplit", "rstrip", "split", "startswith", "strip"),
    )
)


def builtin(name: str) -> str:
    """The source of one of the family's templates, for checkpoints that bring none."""
    return (ASSETS / "templates" / f"{name}.jinja").read_text("utf-8")


class _Arguments(dict[str, Any]):
    """The arguments of a call: an object for templates that look into it, its JSON text for those that print it."""

    def __init__(self, text: str, value: Mapping[str, Any]) -> None:
        super().__init__(value)
        self._text = text

    def __str__(self) -> str:
        return self._text

    def __add__(self, other: str) -> str:
        return self._text + other

    def __radd__(self, other: str) -> str:
        return other + self._text


class ChatTemplate:
    """One template with its tokenizer. ``render`` gives prompt ids; nothing is compiled before it is needed."""

    def __init__(self, source: str, tokenizer: Tokenizer) -> None:
        self.source = source
        self._tokenizer = tokenizer
        self._ids = {text: i for i, text in tokenizer.controls.items()}
        controls = sorted(self._ids, key=len, reverse=True)
        self._control = re.compile("|".join(map(re.escape, controls)) or r"(?!)")
        self._marks: dict[str, str] = {}  # control text -> mark
        self._marked: dict[str, str] = {}  # mark -> control text

    @classmethod
    def of(cls, tokenizer: Tokenizer, *, with_tools: bool = False) -> ChatTemplate | None:
        """The checkpoint's template, else the built-in one of its family (told by its control tokens), else None."""
        source = tokenizer.config.get("chat_template")
        if isinstance(source, list):  # several, by name
            named = {t["name"]: t["template"] for t in source}
            source = (named.get("tool_use") if with_tools else None) or named.get("default")
        if isinstance(source, str) and source:
            return cls(source, tokenizer)
        names = set(tokenizer.controls.values())
        if {"<｜User｜>", "<｜Assistant｜>"} <= names:
            return cls(builtin("v2.5"), tokenizer)
        if "<｜begin▁of▁sentence｜>" in names:
            return cls(builtin("v2-chat"), tokenizer)
        return None

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        add_generation_prompt: bool = True,
        tools: Sequence[Mapping[str, Any]] | None = None,
        **variables: Any,
    ) -> list[int]:
        """Prompt ids. ``variables`` reach the template too (``enable_thinking`` and the like)."""
        text = self._render(
            _normal(messages), add_generation_prompt, checked_tools(tools) if tools else None, variables
        )
        return self._tokenizer.join(self._segments(text))

    @cached_property
    def tool_format(self) -> ToolFormat:
        """How this template's model writes calls."""
        if DEEPSEEK.opening not in self._ids or DEEPSEEK.opening not in self.source:
            return GENERIC
        return DEEPSEEK if "```json" in self.source else DEEPSEEK_V31

    @property
    def tool_format_is_known(self) -> bool:
        """Whether :attr:`tool_format` is what the prompt asks for: the template's, or ours where it knows no tools."""
        return self.tool_format is not GENERIC or "tools" not in self._template.names

    @cached_property
    def strips_space(self) -> bool:
        """Whether an answer begins with a space that isn't part of it: the prompt ends as ``Assistant:``."""
        return self._render([{"role": "user", "content": "a"}], True, None, {}).endswith(":")

    @cached_property
    def _template(self) -> Any:
        return compile_template(self.source, self._mark_literals)

    @cached_property
    def _computes_controls(self) -> bool:
        """Whether control tokens come out of inert messages without having been spelled in the template."""
        talk = [{"role": role, "content": "a"} for role in ("system", "user", "assistant", "user")]
        for messages in (talk, talk[1:], talk[1:2]):
            try:
                text = self._template.render(self._variables(messages, True, None))
            except FathomError as error:
                if error.fields["limit"]:
                    raise
                continue  # many templates refuse a system message or an order of roles
            return self._control.search(text) is not None
        return False

    def _render(
        self,
        messages: list[Message],
        add_generation_prompt: bool,
        tools: list[Message] | None,
        extra: Mapping[str, Any],
    ) -> str:
        # What the template would leave out is written into the texts.
        if "tool_calls" not in self.source:
            messages = calls_as_text(messages, self.tool_format)
        if not _TOOL_ROLE.search(self.source):
            messages = results_as_text(messages)
        if tools and "tools" not in self._template.names:
            messages = describe(messages, tools, self.tool_format)
        if self._computes_controls:
            messages, tools = _map_texts(messages, self._broken), _map_texts(tools, self._broken)
        return str(self._template.render({**extra, **self._variables(messages, add_generation_prompt, tools)}))

    def _variables(self, messages: Any, add_generation_prompt: bool, tools: Any) -> dict[str, Any]:
        config = self._tokenizer.config
        named: dict[str, Any] = {}
        for key in ("bos_token", "eos_token", "pad_token", "unk_token"):
            named[key] = self._mark(spelling(config.get(key)) or "")
        additional = config.get("additional_special_tokens") or []
        named["additional_special_tokens"] = [self._mark(t) if isinstance(t, str) else t for t in additional]
        return {**named, "messages": messages, "tools": tools, "add_generation_prompt": add_generation_prompt}

    def _segments(self, text: str) -> Iterator[str | int]:
        """Rendered text in ordinary text and control ids."""
        start = 0
        for match in _SURROGATE.finditer(text):
            if match[0] == _BREAK:
                continue
            yield from self._ordinary(text[start : match.start()])
            yield self._ids[self._marked[match[0]]]
            start = match.end()
        yield from self._ordinary(text[start:])

    def _ordinary(self, text: str) -> Iterable[str | int]:
        if not self._computes_controls:
            return (text,)
        return [s.replace(_BREAK, "") if isinstance(s, str) else s for s in self._tokenizer.split_controls(text)]

    def _mark(self, text: str) -> str:
        def mark(match: re.Match[str]) -> str:
            if match[0] not in self._marks:
                self._marks[match[0]] = chr(_FIRST_MARK + len(self._marks))
                self._marked[self._marks[match[0]]] = match[0]
            return self._marks[match[0]]

        return self._control.sub(mark, _SURROGATE.sub("\ufffd", text))

    def _broken(self, text: str) -> str:
        return self._control.sub(lambda m: m[0][0] + _BREAK + m[0][1:], text)

    def _mark_literals(self, node: nodes.Node) -> None:
        """Marks the literals below ``node`` that can reach the output; those only compared with stay."""
        for name, child in node.iter_fields():
            for part in child if isinstance(child, list) else [child]:
                if isinstance(part, nodes.TemplateData):
                    part.data = self._mark(part.data)
                elif isinstance(part, nodes.Const) and isinstance(part.value, str):
                    if not _is_compared(node, name):
                        part.value = self._mark(part.value)
                elif isinstance(part, nodes.Node) and not _is_compared(node, name):
                    self._mark_literals(part)


def _is_compared(parent: nodes.Node, field: str) -> bool:
    """Whether that field of a syntax node holds texts to look for rather than texts to write."""
    if isinstance(parent, nodes.Compare | nodes.Operand | nodes.Test) or field == "test":
        return True
    if isinstance(parent, nodes.Getitem | nodes.Filter | nodes.Call) and field in ("arg", "args", "kwargs"):
        name = parent.node.attr if isinstance(parent, nodes.Call) and isinstance(parent.node, nodes.Getattr) else None
        name = parent.name if isinstance(parent, nodes.Filter) else name
        return isinstance(parent, nodes.Getitem) or name in _SEARCHES
    return False


def _normal(messages: Sequence[Mapping[str, Any]]) -> list[Message]:
    """Messages in the one form templates see: known roles, content a text or None, arguments of calls readable."""
    if isinstance(messages, str | Mapping) or not isinstance(messages, Sequence):
        raise FathomError("parameter_invalid", param="messages", problem="is not a list of messages")
    if not messages:
        raise FathomError("prompt_empty", param="messages")
    return [_normal_message(message, f"messages[{n}]") for n, message in enumerate(messages)]


def _normal_message(message: Mapping[str, Any], where: str) -> Message:
    if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
        raise FathomError("parameter_invalid", param=where, problem="is not an object with a role")
    role = _RENAMED_ROLES.get(message["role"], message["role"])
    if role not in _ROLES:
        raise FathomError("parameter_invalid", param=f"{where}.role", problem=f"{role!r} is none of {sorted(_ROLES)}")
    result: Message = {k: v for k, v in message.items() if v is not None} | {"role": role}
    calls = result.pop("tool_calls", None)  # an empty list is none
    result["content"] = _content(message.get("content"), f"{where}.content", optional=bool(calls))
    if calls:
        result["tool_calls"] = [_normal_call(c, f"{where}.tool_calls[{n}]") for n, c in enumerate(calls)]
    checked: Message = _map_texts(result, lambda text: valid(text, where))  # so it holds no marks
    return checked


def _content(content: Any, where: str, *, optional: bool) -> str | None:
    """A text; a list of text parts is joined by line ends."""
    if isinstance(content, str) or (content is None and optional):
        return content
    if not isinstance(content, list):
        raise FathomError("parameter_invalid", param=where, problem="is neither a text nor a list of parts")
    texts = []
    for n, part in enumerate(content):
        if not isinstance(part, Mapping) or not isinstance(part.get("type"), str):
            raise FathomError("parameter_invalid", param=f"{where}[{n}]", problem="is not a part with a type")
        if part["type"] != "text":
            raise FathomError("parameter_unsupported", param=f"{where}[{n}].type={part['type']}")
        if not isinstance(part.get("text"), str):
            raise FathomError("parameter_invalid", param=f"{where}[{n}].text", problem="is not a text")
        texts.append(part["text"])
    return "\n".join(texts)


def _normal_call(call: Any, where: str) -> Message:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise FathomError("parameter_invalid", param=where, problem="is not a function call with a name")
    text = function.get("arguments") or "{}"
    text = json.dumps(text, ensure_ascii=False) if isinstance(text, Mapping) else text
    try:
        value = json.loads(text)
    except (TypeError, json.JSONDecodeError):
        value = None
    if not isinstance(value, dict):
        raise FathomError("parameter_invalid", param=f"{where}.function.arguments", problem="is not a JSON object")
    return {"type": "function", **call, "function": {**function, "arguments": _Arguments(text, value)}}


def _map_texts(value: Any, change: Any) -> Any:
    """A copy of JSON-like ``value`` with ``change`` applied to every text in it."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, _Arguments):
        return _Arguments(change(str(value)), {change(k): _map_texts(v, change) for k, v in value.items()})
    if isinstance(value, Mapping):
        return {change(k): _map_texts(v, change) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_map_texts(v, change) for v in value]
    return value
