"""Calls of tools: the right tool with its arguments, a question where one is missing, a plain word where none fits.

Tools are listed and calls are written exactly as fathom does it for a template that knows no tools
(:mod:`fathom.text.tools`), so that what is trained is what is asked for later.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any

from fathom.text.tools import GENERIC, ToolCall, describe, results_as_text

from .values import value
from .words import Example, system, table

__all__ = ["sample"]

MISSING, UNFIT, ANSWERED = 0.15, 0.2, 0.3  # shares: an argument lacks; no tool fits; the result is there, too


def sample(draw: random.Random, language: str) -> Example | None:
    known = table("tools")["tools"]
    tool, *others = draw.sample(known, draw.randint(2, 5))
    kind = draw.random()
    listed = others if kind < UNFIT else draw.sample([tool, *others], 1 + len(others))
    arguments = _arguments(draw, language, tool)
    if len(set(arguments.values())) < len(arguments):  # from a city to itself
        return None
    texts = tool[language]
    lacks = UNFIT <= kind < UNFIT + MISSING
    request = draw.choice(texts["short" if lacks else "ask"])
    said = {name: text for name, text in arguments.items() if f"{{{name}}}" in request}
    messages: list[dict[str, Any]] = [{"role": "user", "content": request.format(**arguments)}]
    if draw.random() < 0.3:
        messages.insert(0, {"role": "system", "content": system(draw, language)})
    if kind < UNFIT:
        answer = draw.choice(table("tools")["texts"][language]["none"])
    elif lacks:
        answer = texts["want"]
    else:
        answer = GENERIC.write([ToolCall(tool["name"], json.dumps(said, ensure_ascii=False, separators=(",", ":")))])
    messages.append({"role": "assistant", "content": answer})
    if not lacks and kind >= UNFIT and draw.random() < ANSWERED:
        name, of = tool["result"]
        found = _computed(said["expression"]) if of == "computed" else int(value(draw, language, of))
        answer = texts["tell"].format(r=found, **arguments)
        messages += [{"role": "tool", "content": json.dumps({name: found})}, {"role": "assistant", "content": answer}]
    messages = results_as_text(describe(messages, [{"function": _schema(t, language)} for t in listed], GENERIC))
    return Example("tools", language, tuple((m["role"], m["content"]) for m in messages), answer)


def _arguments(draw: random.Random, language: str, tool: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value(draw, language, kind) for name, kind, *_ in tool["parameters"]}


def _schema(tool: Mapping[str, Any], language: str) -> dict[str, Any]:
    properties = {
        name: {"type": "string", "description": zh if language == "zh" else en}
        for name, _, zh, en in tool["parameters"]
    }
    required = list(properties)[: tool["required"]]
    parameters = {"type": "object", "properties": properties, "required": required}
    return {"name": tool["name"], "description": tool["about"][language], "parameters": parameters}


def _computed(expression: str) -> int:
    left, sign, right = expression.split(" ")
    a, b = int(left), int(right)
    return {"+": a + b, "-": a - b, "×": a * b}[sign]
