"""Chat templates are code from strangers: rendered in Jinja's immutable sandbox, with limits on time and size.

Jinja's sandbox keeps a template from reaching attributes; it does not keep it from looping or from doubling a string
forty times. Here every operation whose result can outgrow its operands (``+ * ** % ~``, calls, filters, output) is
checked and counted against a budget, the filters that pad or wrap are gone, and a deadline is tested on every line of
compiled template code. Known limit: one library call on bounded input is not interrupted.
"""

from __future__ import annotations

import functools
import json
import operator
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, LoopControlExtension
from jinja2.meta import find_undeclared_variables
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ..errors import FathomError

__all__ = ["Template", "compile_template"]

MAX_SOURCE = 2**18  # characters of a template
MAX_SIZE = 2**22  # characters, items or bits of one value
MAX_TOTAL = 2**27  # of all values of one rendering
MAX_SECONDS = 5.0
_REMOVED_FILTERS = (  # they pad, wrap or print what nobody needs in a prompt
    *("batch", "center", "filesizeformat", "forceescape", "format", "pprint", "random", "slice", "striptags"),
    *("truncate", "urlencode", "urlize", "wordcount", "wordwrap", "xmlattr"),
)
_STR_METHODS = frozenset(
    (
        *("capitalize", "casefold", "count", "endswith", "find", "index", "isalnum", "isalpha", "isdigit", "islower"),
        *("isspace", "isupper", "join", "lower", "lstrip", "partition", "removeprefix", "removesuffix", "replace"),
        *("rfind", "rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip", "swapcase"),
        *("title", "upper"),
    )
)
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "*": operator.mul,
    "**": operator.pow,
    "%": operator.mod,
}


class _GenerationBlock(Extension):
    """``{% generation %}...{% endgeneration %}`` marks an assistant's words for training; here it is its content."""

    tags = {"generation"}  # noqa: RUF012 - Jinja's own interface

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(_OPERATORS)

    def __init__(self) -> None:
        extensions: list[str | type[Extension]] = [LoopControlExtension, _GenerationBlock]
        super().__init__(
            trim_blocks=True, lstrip_blocks=True, optimized=False, extensions=extensions, finalize=self.printable
        )
        self.spent = 0
        for name in _REMOVED_FILTERS:
            del self.filters[name]
        self.filters = {name: self._counted(f) for name, f in self.filters.items()}
        self.filters |= {"string": self._string, "tojson": self._tojson, "indent": self._indent}
        self.filters |= {"replace": self._replace, "join": self._join}
        self.globals |= {"raise_exception": _raise_exception, "strftime_now": _strftime_now}
        self.globals.pop("lipsum")

    def spend(self, size: int) -> None:
        self.spent += size
        if size > MAX_SIZE or self.spent > MAX_TOTAL:
            raise SecurityError(f"its values grow beyond {MAX_SIZE} characters, or {MAX_TOTAL} in all")

    def bounded(self, value: Any) -> Any:
        self.spend(_size(value))
        return value

    def printable(self, value: Any) -> Any:
        """``value``, when its text is of a bearable size."""
        self.spend(_size(value) if isinstance(value, str) else _printed_size(value))
        return value

    def unsafe_undefined(self, obj: Any, attribute: str) -> Any:  # noqa: ARG002 - Jinja's signature
        raise SecurityError(f"access to {attribute!r} is not allowed")

    def call_binop(self, context: Any, symbol: str, left: Any, right: Any) -> Any:  # noqa: ARG002
        if symbol == "%" and isinstance(left, str):
            raise SecurityError("formatting with % is not allowed")
        if symbol == "*":
            self.spend(_product_size(left, right))
        if symbol == "**" and isinstance(right, int):
            self.spend(_size(left) * abs(right))
        return self.bounded(_OPERATORS[symbol](left, right))

    def call(self, context: Any, obj: Any, *args: Any, **kwargs: Any) -> Any:
        owner, name = getattr(obj, "__self__", None), getattr(obj, "__name__", "")
        if name in ("format", "format_map") or (isinstance(owner, str) and name not in _STR_METHODS):
            raise SecurityError(f"the text method {name!r} is not allowed")
        if isinstance(owner, str) and name == "replace":
            return self._replace(owner, *args, **kwargs)
        if isinstance(owner, str) and name == "join":
            return self._join(args[0], owner)
        return self.bounded(super().call(context, obj, *args, **kwargs))

    def _counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return self.bounded(function(*args, **kwargs))

        return wrapper

    def _string(self, value: Any) -> str:
        return str(self.printable(value))

    def _tojson(self, value: Any, ensure_ascii: bool = False, indent: int | None = None, separators: Any = None) -> str:
        """JSON as transformers' templates know it: not escaped for HTML."""
        indent = None if indent is None else min(indent, 8)
        text = json.dumps(self.printable(value), ensure_ascii=ensure_ascii, indent=indent, separators=separators)
        return str(self.bounded(text))

    def _replace(self, text: Any, old: str, new: str, count: int = -1) -> str:
        source = self._string(text)
        self.spend(len(source) + source.count(old) * len(new))
        return source.replace(old, new, count)

    def _join(self, values: Any, separator: str = "", attribute: str | None = None) -> str:
        texts = [self._string(v if attribute is None else v[attribute]) for v in values]
        self.spend(sum(map(len, texts)) + len(texts) * len(separator))
        return separator.join(texts)

    def _indent(self, text: str, width: int = 4, first: bool = False) -> str:
        pad, lines = " " * min(width, 64), text.split("\n")
        self.spend(len(text) + len(lines) * len(pad))
        return (pad if first else "") + "\n".join([lines[0], *(pad + line if line else "" for line in lines[1:])])


def _size(value: Any) -> int:
    """Bits of a number, length of a text or collection."""
    if isinstance(value, int):
        return value.bit_length()
    return len(value) if isinstance(value, str | list | tuple | dict) else 1


def _product_size(left: Any, right: Any) -> int:
    if isinstance(left, int) and isinstance(right, int):
        return _size(left) + _size(right)
    if isinstance(left, int):
        return left * _size(right)
    return _size(left) * right if isinstance(right, int) else 1


def _printed_size(value: Any) -> int:
    """About how long ``str(value)`` is; stops counting beyond the limit, shared parts count each time."""
    total, waiting = 0, [value]
    while waiting and total <= MAX_SIZE:
        item = waiting.pop()
        total += _size(item) + 1
        if isinstance(item, dict):
            waiting += [*item.keys(), *item.values()]
        elif isinstance(item, list | tuple):
            waiting += item
    return total


def _raise_exception(message: object) -> None:
    raise jinja2.TemplateError(str(message))


def _strftime_now(form: str) -> str:
    if len(form) > 64 or any(c.isdigit() for c in form):  # a width such as %99999999d
        raise SecurityError("strftime_now takes a plain format of at most 64 characters")
    return time.strftime(form)


class Template:
    """A compiled template; ``names`` are the variables it reads. One rendering at a time: they share the budget."""

    def __init__(self, environment: _Sandbox, tree: nodes.Template) -> None:
        self.names = frozenset(find_undeclared_variables(tree))
        self._environment = environment
        self._template = jinja2.Template.from_code(environment, environment.compile(tree), environment.globals)
        self._lock = threading.Lock()

    def render(self, variables: Mapping[str, Any]) -> str:
        with self._lock:
            self._environment.spent = 0
            previous = sys.gettrace()
            sys.settrace(_deadline(time.monotonic() + MAX_SECONDS))
            try:
                pieces: Iterator[str] = self._template.generate(**variables)
                return "".join(self._environment.bounded(piece) for piece in pieces)
            except Exception as error:  # foreign code may raise anything
                raise _failed(error) from None
            finally:
                sys.settrace(previous)


def compile_template(source: str, transform: Callable[[nodes.Template], None]) -> Template:
    """Parses and compiles ``source``; ``transform`` may change the syntax tree before."""
    try:
        if len(source) > MAX_SOURCE:
            raise SecurityError(f"it has {len(source)} characters; at most {MAX_SOURCE} are allowed")
        environment = _Sandbox()
        tree = environment.parse(source)
        for node in tree.find_all(nodes.Concat):  # `~` has no hook of its own in the sandbox
            node.nodes = [nodes.Filter(part, "string", [], [], None, None) for part in node.nodes]
        transform(tree)
        return Template(environment, tree)
    except Exception as error:  # the parser fails in many ways on hostile input, RecursionError among them
        raise _failed(error) from None


def _deadline(at: float) -> Callable[[FrameType, str, Any], Any]:
    def trace(_frame: FrameType, _event: str, _argument: Any) -> Any:
        if time.monotonic() > at:
            raise TimeoutError(f"it ran longer than {MAX_SECONDS:g} s")
        return trace

    return trace


def _failed(error: Exception) -> FathomError:
    kind = "" if isinstance(error, jinja2.TemplateError) else f"{type(error).__name__}: "
    limit = isinstance(error, SecurityError | TimeoutError)
    return FathomError("template_failed", problem=f"{kind}{str(error)[:300]}", limit=limit)
