"""What is said of a wrong call: one line, in the user's language, for each kind of error typer has."""

from __future__ import annotations

import re
from typing import Any

from fathom.errors import language

from .messages import say

__all__ = ["told"]

# How typer and pydantic say it in English, and the same in Chinese.
_CHINESE = [
    (re.compile(english), chinese)
    for english, chinese in (
        (r"Option '?([^' ]+)'? requires an argument\.?", r"选项 \1 需要一个值。"),
        (r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)\.?", r"多余的参数：\1。"),
        (r"No such command '(.*)'\.?", r"没有命令 \1。"),
        (r"Input should be a valid integer.*", "应为整数"),
        (r"Input should be a valid number.*", "应为数字"),
        (r"Input should be less than or equal to (\S+)", r"应不大于 \1"),
        (r"Input should be greater than or equal to (\S+)", r"应不小于 \1"),
    )
]


def told(error: Any) -> str:
    """A usage error of typer's, with the command whose help says more."""
    context, parameter = getattr(error, "ctx", None), getattr(error, "param", None)
    command = context.command_path if context else "fathom"
    match type(error).__name__:
        case "NoSuchOption":
            return say("usage.option", name=error.option_name, command=command)
        case "MissingParameter" if parameter is not None:
            name = parameter.metavar if parameter.param_type_name == "argument" else parameter.opts[-1]
            return say("usage.missing", name=name, command=command)
        case "BadParameter" if parameter is not None:
            problem = _translated(" ".join(str(error.message).split()))
            return say("usage.value", name=parameter.opts[-1], problem=problem, command=command)
    problem = _translated(" ".join(str(error.format_message()).split()))
    return say(
        "usage.other", problem=problem if problem.endswith("。") else problem.removesuffix(".") + ".", command=command
    )


def _translated(problem: str) -> str:
    if language() == "zh":
        for english, chinese in _CHINESE:
            if english.fullmatch(problem):
                return english.sub(chinese, problem)
    return problem
