"""Prints the reference of the command line in the language of the locale; ``make docs`` writes both pages.

FATHOM_LANG=zh python docs/generate.py > docs/zh/cli.md
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fathom.cli.app import build
from fathom.errors import language

TITLES = {
    "en": ("# Command line", "Generated from the program by `make docs`.", "Default", "Environment"),
    "zh": ("# 命令行", "由 `make docs` 从程序生成。", "默认值", "环境变量"),
}


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every verb with its full name, groups opened."""
    if hasattr(command, "commands"):
        for name, child in command.commands.items():
            yield from commands(child, f"{path} {name}")
    else:
        yield path, command


def argument(parameter: Any) -> str:
    return parameter.metavar if parameter.required else f"[{parameter.metavar}]"


def row(parameter: Any, default: str, environment: str) -> str:
    """An argument or option as an item of a list."""
    extra = []
    if parameter.default not in (None, False, ()) and not callable(parameter.default):
        extra.append(f"{default}: `{parameter.default}`")
    if parameter.envvar:
        extra.append(f"{environment}: `{parameter.envvar}`")
    name = ", ".join(parameter.opts) if parameter.param_type_name == "option" else argument(parameter)
    value = f" {parameter.metavar}" if parameter.param_type_name == "option" and parameter.metavar else ""
    return f"- `{name}{value}` {parameter.help}" + (f" ({'; '.join(extra)})" if extra else "")


def page() -> Iterator[str]:
    title, source, default, environment = TITLES[language()]
    top = build()
    yield f"{title}\n\n{source}\n\n{top.help} {top.epilog}\n"
    for path, command in commands(top, "fathom"):
        usage = " ".join(argument(p) for p in command.params if p.param_type_name == "argument")
        yield f"## `{' '.join(filter(None, (path, usage)))}`\n\n{command.help}\n"
        yield "\n".join(row(p, default, environment) for p in command.params) + "\n"


if __name__ == "__main__":
    print("\n".join(page()), end="")  # noqa: T201
