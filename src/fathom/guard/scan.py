"""Finding personal and secret data in a text.

A text is read in windows, so that memory stays bounded and time linear. A recogniser looks at most ``BEFORE``
characters back from what it finds, which is at most ``LONGEST`` long: so a window that reaches as far on both sides
finds what the whole text would have.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType, ModuleType
from typing import Any

from fathom.errors import Both, FathomError

from . import (
    addresses,
    births,
    contacts,
    context,
    geo,
    labelled,
    names,
    numbers,
    organisations,
    persons,
    plates,
    secrets,
    sensitive,
)
from .entities import DEFAULT_TYPES, ENTITIES
from .page import Found, Lexicon, Page, Shadow
from .spans import Span, disjoint

__all__ = ["BEFORE", "LONGEST", "RECOGNISERS", "Scanner"]

WINDOW = 1 << 17
BEFORE = 256
LONGEST = 4096
#: Each has TYPES, what it finds, WORDS, classes of words for the lexicon, and find(page).
RECOGNISERS: tuple[ModuleType, ...] = (
    numbers,
    labelled,
    plates,
    contacts,
    secrets,
    names,
    persons,
    organisations,
    addresses,
    births,
    geo,
    sensitive,
)

_SURROGATES = re.compile("[\ud800-\udfff]")
_OWN = "own"  # class of the words of the caller's dictionary


class Scanner:
    """Finds entities of ``types``; made once, used from any thread.

    >>> Scanner().find("电话13800138000，邮箱a@b.cn")
    [Span(start=2, end=13, type='PHONE', score=0.95), Span(start=16, end=22, type='EMAIL', score=0.95)]

    ``dictionary``: values of the caller to their type, found wherever they stand, in any disguise and case, but not
    within a longer English word; ``patterns``: RE2 expressions (linear time, so no look-around and no back-references)
    to their type, matched in the folded text; ``allow``: values never reported; ``threshold``: the least score;
    ``strict``: labelled numbers count though their check digit is wrong. What
    dictionary and patterns find counts 1.0 and needs no type in ``types``. Raises ``parameter_invalid``.
    """

    def __init__(
        self,
        types: Collection[str] = DEFAULT_TYPES,
        *,
        dictionary: Mapping[str, str] = MappingProxyType({}),
        patterns: Mapping[str, str] = MappingProxyType({}),
        allow: Collection[str] = (),
        threshold: float = 0.5,
        strict: bool = False,
    ) -> None:
        _check_types("types", types)
        _check_types("dictionary", dictionary.values())
        _check_types("patterns", patterns.values())
        if not 0 <= threshold <= 1:
            problem = Both(f"{threshold:g}; 0 to 1 are allowed", f"{threshold:g}；应在 0 到 1 之间")
            raise FathomError("parameter_invalid", param="threshold", problem=problem)
        self._types = frozenset(types)
        self._recognisers = [module for module in RECOGNISERS if not self._types.isdisjoint(module.TYPES)]
        self._allow = frozenset(allow)
        self._threshold = threshold
        self._is_strict = strict
        self._own_types = list(dictionary.values())
        own = {_OWN: [_folded(word) for word in dictionary]}
        classes = {name: words for module in (context, *RECOGNISERS) for name, words in module.WORDS.items()}
        self._lexicon = Lexicon(classes, whole=frozenset(context.WORDS))
        self._own = Lexicon(own, whole=own.keys(), longest=True)  # nobody knows how many of them nest
        self._patterns = [(_compiled(pattern), type) for pattern, type in patterns.items()]

    def find(self, text: str) -> list[Span]:
        """Sorted and disjoint spans, in code points of ``text``."""
        return disjoint(span for start in range(0, len(text), WINDOW) for span in self._window(text, start))

    def _window(self, text: str, start: int) -> Iterator[Span]:
        base = max(0, start - BEFORE)
        shadow = Shadow(text[base : start + WINDOW + LONGEST])
        for found in self._read(Page(shadow, self._lexicon, is_strict=self._is_strict)):
            span = shadow.span(found, base)
            if start <= span.start < start + WINDOW and text[span.start : span.end] not in self._allow:
                yield span

    def _read(self, page: Page) -> Iterator[Found]:
        for module in self._recognisers:
            for found in module.find(page):
                if found.score >= self._threshold and found.type in self._types:
                    yield found
        for word in self._own.find(page.text).get(_OWN, ()):
            yield Found(word.start, word.end, self._own_types[word.number], 1.0)
        for pattern, type in self._patterns:
            for start, end in _matches(pattern, page.text):
                yield Found(start, end, type, 1.0)


def _check_types(param: str, types: Iterable[str]) -> None:
    for type in types:
        if type not in ENTITIES:
            problem = Both(f"no type is called {type!r}", f"没有名为 {type!r} 的类型")
            raise FathomError("parameter_invalid", param=param, problem=problem)


def _folded(word: str) -> str:
    folded = Shadow(word).text
    if not folded or len(folded) > LONGEST:
        problem = Both(
            f"a value of {len(folded)} characters; 1 to {LONGEST} are allowed",
            f"有一个值是 {len(folded)} 个字符；应为 1 到 {LONGEST} 个",
        )
        raise FathomError("parameter_invalid", param="dictionary", problem=problem)
    return folded


def _compiled(pattern: str) -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        problem = Both(f"{pattern!r}: {error}", f"{pattern!r} 不是有效的 RE2 表达式（{error}）")
        raise FathomError("parameter_invalid", param="patterns", problem=problem) from None


def _matches(pattern: Any, text: str) -> Iterator[tuple[int, int]]:
    """Disjoint, not empty. RE2 reads UTF-8, which has no halves of surrogate pairs."""
    for match in pattern.finditer(_SURROGATES.sub("\ufffd", text)):
        if match.end() > match.start():
            yield match.span()
