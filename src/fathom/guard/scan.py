"""Finding personal and secret data in a text.

A text is read in windows, so that memory stays bounded and time linear. A recogniser looks at most ``BEFORE``
characters back from what it finds, which is at most ``LONGEST`` long: so a window that reaches as far on both sides
finds what the whole text would have.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from types import MappingProxyType, ModuleType
from typing import Any

from fathom.errors import FathomError

from . import contacts, context, labelled, numbers, persons, plates, secrets
from .entities import DEFAULT_TYPES
from .page import Found, Lexicon, Page, Shadow
from .spans import Span, disjoint

__all__ = ["BEFORE", "LONGEST", "RECOGNISERS", "Scanner"]

WINDOW = 1 << 15
BEFORE = 256
LONGEST = 4096
RECOGNISERS: tuple[ModuleType, ...] = (
    numbers,
    labelled,
    plates,
    contacts,
    secrets,
    persons,
)  # each with WORDS and find(page)


_OWN = "own"  # class of the words of the caller's dictionary


def _compiled(pattern: str) -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise FathomError("parameter_invalid", param="patterns", problem=f"{pattern!r}: {error}") from None


def _matches(pattern: Any, type: str, page: Page) -> Iterator[Found]:
    for match in pattern.finditer(page.text):
        if match.end() > match.start():
            yield Found(match.start(), match.end(), type, 1.0)


class Scanner:
    """Finds entities of ``types``; made once, used from any thread.

    >>> Scanner().find("电话13800138000，邮箱a@b.cn")
    [Span(start=2, end=13, type='PHONE', score=0.85), Span(start=16, end=22, type='EMAIL', score=0.95)]

    ``dictionary``: values of the caller to their type, found wherever they stand; ``patterns``: RE2 expressions (linear
    time, so no look-around and no back-references) to their type; ``allow``: values never reported; ``threshold``: the
    least score.
    """

    def __init__(
        self,
        types: Collection[str] = DEFAULT_TYPES,
        *,
        dictionary: Mapping[str, str] = MappingProxyType({}),
        patterns: Mapping[str, str] = MappingProxyType({}),
        allow: Collection[str] = (),
        threshold: float = 0.5,
    ) -> None:
        self._types = frozenset(types)
        self._allow = frozenset(allow)
        self._threshold = threshold
        self._finders: list[Callable[[Page], Iterator[Found]]] = [module.find for module in RECOGNISERS]
        classes = {name: words for module in (context, *RECOGNISERS) for name, words in module.WORDS.items()}
        self._own = list(dictionary.values())
        self._lexicon = Lexicon(classes | {_OWN: [Shadow(word).text for word in dictionary]})
        self._finders.append(self._dictionary)
        for pattern, type in patterns.items():
            self._finders.append(partial(_matches, _compiled(pattern), type))

    def _dictionary(self, page: Page) -> Iterator[Found]:
        for start, end, number in page.words.get(_OWN, ()):
            yield Found(start, end, self._own[number], 1.0)

    def find(self, text: str) -> list[Span]:
        """Sorted and disjoint spans, in code points of ``text``."""
        return disjoint(span for start in range(0, len(text), WINDOW) for span in self._window(text, start))

    def _window(self, text: str, start: int) -> Iterator[Span]:
        base = max(0, start - BEFORE)
        shadow = Shadow(text[base : start + WINDOW + LONGEST])
        page = Page(shadow, self._lexicon)
        for find in self._finders:
            for found in find(page):
                if found.score < self._threshold or (found.score < 1 and found.type not in self._types):
                    continue
                span = shadow.span(found)
                span = Span(span.start + base, span.end + base, span.type, span.score)
                if start <= span.start < start + WINDOW and text[span.start : span.end] not in self._allow:
                    yield span
