"""Tool calls in text: how a model is told of its tools, what a call looks like, and reading calls back.

A call is ``before name between arguments after``, the calls of one answer stand between ``opening`` and ``closing``;
the :class:`ToolFormat` says which texts these are. DeepSeek's own form uses control tokens; the generic one, for
templates that know no tools, is the plain ``<tool_call>{"name":...,"arguments":...}</tool_call>``. The same format
makes the grammar, so a constrained model can only write calls that this module reads. Within ``<tool_call>`` the
variants of other models are read too: JSON with white space, and GLM's ``NAME<arg_key>K</arg_key><arg_value>V``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import FathomError
from .detokenize import StopChecker

__all__ = [
    "DEEPSEEK",
    "DEEPSEEK_V31",
    "GENERIC",
    "CallReader",
    "ToolCall",
    "ToolFormat",
    "calls_as_text",
    "calls_grammar",
    "checked_tools",
    "describe",
    "results_as_text",
]

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_CJK = re.compile("[\u3400-\u9fff]")
_MAX_CALLS = 8
_TAG = "<tool_call>"
_GLM_CALL = re.compile(
    r"([\w.-]+)\s*((?:<arg_key>.*?</arg_key>\s*<arg_value>.*?</arg_value>\s*)*)</tool_call>", re.DOTALL
)
_GLM_ARGUMENT = re.compile(r"<arg_key>(.*?)</arg_key>\s*<arg_value>(.*?)</arg_value>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the model proposes; ``arguments`` is JSON text, as in OpenAI's API."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolFormat:
    opening: str
    before: str
    between: str
    after: str
    closing: str

    @property
    def trigger(self) -> str:
        """The text with which an answer turns into calls."""
        return self.opening or _TAG

    def __contains__(self, text: str) -> bool:
        return any(text in part for part in (self.opening, self.before, self.between, self.after, self.closing))

    def write(self, calls: Sequence[ToolCall]) -> str:
        body = "\n".join(f"{self.before}{c.name}{self.between}{c.arguments}{self.after}" for c in calls)
        return self.opening + body + self.closing


GENERIC = ToolFormat("", _TAG + '{"name":"', '","arguments":', "}</tool_call>", "")
_OPENING, _CLOSING = "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"
_BEFORE, _BETWEEN, _AFTER = "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"
DEEPSEEK = ToolFormat(  # V2.5, V3, R1
    _OPENING, f"{_BEFORE}function{_BETWEEN}", "\n```json\n", f"\n```{_AFTER}", _CLOSING
)
DEEPSEEK_V31 = ToolFormat(_OPENING, _BEFORE, _BETWEEN, _AFTER, _CLOSING)
_DESCRIPTION = {
    "en": "You can use these tools:\n{tools}\nWhen needed, output {call}. If no tool fits, say so; "
    "if a required argument is missing, ask for it.",
    "zh": "你可以使用以下工具：\n{tools}\n需要时输出{call}。没有合适的工具就直接说明，缺少必填参数就先问用户。",
}
_PLACEHOLDERS = {"en": ToolCall("NAME", "{...}"), "zh": ToolCall("工具名", "{...}")}


def checked_tools(tools: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """OpenAI's list of function tools, or an error that names the entry at fault."""
    result: list[dict[str, Any]] = []
    for n, tool in enumerate(tools):
        function = tool.get("function") if isinstance(tool, Mapping) else None
        if not isinstance(function, Mapping) or tool.get("type", "function") != "function":
            raise FathomError("parameter_invalid", param=f"tools[{n}]", problem="is not a function tool")
        name, parameters = function.get("name"), function.get("parameters")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            problem = f"{name!r} is not 1 to 64 letters, digits, underscores, dots or dashes"
            raise FathomError("parameter_invalid", param=f"tools[{n}].function.name", problem=problem)
        if parameters is not None and not isinstance(parameters, Mapping):
            problem = "is not a JSON schema object"
            raise FathomError("parameter_invalid", param=f"tools[{n}].function.parameters", problem=problem)
        result.append({"type": "function", "function": dict(function)})
    return result


def calls_as_text(messages: list[dict[str, Any]], form: ToolFormat) -> list[dict[str, Any]]:
    """Messages for a template that does not print calls: they stand in the content."""
    return [
        {"role": m["role"], "content": (m["content"] or "") + form.write([_call(c) for c in m["tool_calls"]])}
        if m.get("tool_calls")
        else m
        for m in messages
    ]


def results_as_text(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages for a template that knows no role ``tool``: results are what the user says."""
    return [
        {"role": "user", "content": f"<tool_response>{m['content']}</tool_response>"} if m["role"] == "tool" else m
        for m in messages
    ]


def describe(
    messages: list[dict[str, Any]], tools: Sequence[Mapping[str, Any]], form: ToolFormat
) -> list[dict[str, Any]]:
    """Messages for a template that does not list tools: the system text does, in the language of the conversation."""
    language = "zh" if any(_CJK.search(str(m["content"])) for m in messages) else "en"
    listing = json.dumps([t["function"] for t in tools], ensure_ascii=False, separators=(",", ":"))
    text = _DESCRIPTION[language].format(tools=listing, call=form.write([_PLACEHOLDERS[language]]))
    if messages[0]["role"] == "system":
        return [{**messages[0], "content": f"{messages[0]['content']}\n\n{text}"}, *messages[1:]]
    return [{"role": "system", "content": text}, *messages]


def _call(call: Mapping[str, Any]) -> ToolCall:
    return ToolCall(call["function"]["name"], str(call["function"]["arguments"]))


def calls_grammar(
    tools: Sequence[Mapping[str, Any]],
    form: ToolFormat,
    controls: Mapping[str, int],
    *,
    required: bool = False,
    parallel: bool = True,
) -> str:
    """A Lark grammar of answers: text or calls (only calls if ``required``), arguments by each tool's schema.

    ``controls`` gives the ids of control tokens, which the grammar names by id: their spelling would be mere text.
    """
    more = f'("\\n" call){{0,{_MAX_CALLS - 1}}}' if parallel else ""
    rules = [
        "start: calls" if required else "start: TEXT | calls",
        f"calls: {_terminals(form.opening, controls)} call {more} {_terminals(form.closing, controls)}",
        "call: " + " | ".join(f"call{n}" for n in range(len(tools))),
    ]
    if not required:
        trigger = re.escape(form.trigger).replace("/", "\\/")
        rules.append(f"TEXT: /(?s:.*)/ & ~/(?s:{trigger}.*)/")
    for n, tool in enumerate(tools):
        function = tool["function"]
        schema = {"type": "object", **(function.get("parameters") or {})}
        schema["x-guidance"] = {"whitespace_flexible": False}
        head = _terminals(form.before + function["name"] + form.between, controls)
        rules.append(f"call{n}: {head} arguments{n} {_terminals(form.after, controls)}")
        rules.append(f"arguments{n}: %json {json.dumps(schema)}")
    return "\n".join(rules) + "\n"


def _terminals(text: str, controls: Mapping[str, int]) -> str:
    pattern = re.compile("(" + "|".join(map(re.escape, sorted(controls, key=len, reverse=True))) + ")")
    pieces = [p for p in (pattern.split(text) if controls else [text]) if p]
    return " ".join(f"<[{controls[p]}]>" if p in controls else json.dumps(p, ensure_ascii=False) for p in pieces)


class CallReader:
    """Splits a streamed answer into its text and its calls.

    ``push`` returns the text that is certainly no call. After ``finish`` the calls are in ``calls``; what looked like
    calls but can't be read is returned as text, never dropped.
    """

    def __init__(self, form: ToolFormat) -> None:
        self._form = form
        self._checker = StopChecker((form.trigger,))
        self._seen = ""
        self.calls: tuple[ToolCall, ...] = ()

    def push(self, text: str) -> str:
        self._seen += text
        return self._checker.push(text)

    def finish(self) -> str:
        if self._checker.matched is None:
            return self._checker.flush()
        body = self._seen[self._seen.index(self._form.trigger) :]
        self.calls = tuple(_read_calls(body, self._form) if self._form.opening else _read_tagged(body))
        return "" if self.calls else body


def _read_calls(text: str, form: ToolFormat) -> Iterator[ToolCall]:
    at = text.find(form.before)
    while at >= 0:
        name_end = text.find(form.between, at + len(form.before))
        name = text[at + len(form.before) : name_end]
        if name_end < 0 or not _NAME.fullmatch(name):
            return
        start = name_end + len(form.between)
        try:
            _, end = json.JSONDecoder().raw_decode(text, start)
        except json.JSONDecodeError:
            return
        yield ToolCall(name, text[start:end])
        at = text.find(form.before, end)


def _read_tagged(text: str) -> Iterator[ToolCall]:
    """Calls in ``<tool_call>`` tags, up to the first that can't be read."""
    at = text.find(_TAG)
    while at >= 0:
        start = at + len(_TAG)
        start += len(text) - start - len(text[start:].lstrip())
        try:
            value, end = json.JSONDecoder().raw_decode(text, start)
            name, arguments = value["name"], value["arguments"]
        except (ValueError, TypeError, KeyError):
            if not (match := _GLM_CALL.match(text, start)):
                return
            name, end = match[1], match.end()
            arguments = {key.strip(): _value(value) for key, value in _GLM_ARGUMENT.findall(match[2])}
        if not isinstance(name, str) or not isinstance(arguments, dict):
            return
        yield ToolCall(name, json.dumps(arguments, ensure_ascii=False, separators=(",", ":")))
        at = text.find(_TAG, end)


def _value(text: str) -> Any:
    """GLM writes texts bare and everything else as JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return text
