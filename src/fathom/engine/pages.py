"""Who holds which page of the slab, and which pages are known to hold which tokens.

A page keeps the latents of 64 consecutive tokens. A full page is named by a hash of its tokens chained on the name of
the page before it, so one name stands for the whole prefix. A page nobody holds keeps its name, and is found again by
it, until the page is needed for something else: the least recently used one goes first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

__all__ = ["PAGE", "ROOT", "PagePool", "chain"]

PAGE = 64  # tokens
ROOT = b""  # the name of no page: what the first one is chained on


def chain(parent: bytes, tokens: Sequence[int]) -> bytes:
    """The name of the page that holds ``tokens`` behind the prefix named ``parent``; 128 bits, so none collide."""
    return blake2b(parent + np.asarray(tokens, "<i4").tobytes(), digest_size=16, person=b"page").digest()


class PagePool:
    """The page numbers 0..count-1: held (references > 0) or free (in order of eviction, named or not)."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.references = [0] * count
        self._free: OrderedDict[int, None] = OrderedDict.fromkeys(range(count))
        self._names: dict[int, bytes] = {}
        self._pages: dict[bytes, int] = {}

    @property
    def free(self) -> int:
        return len(self._free)

    def match(self, tokens: Sequence[int], name: bytes = ROOT) -> tuple[list[int], bytes]:
        """Takes the pages of the longest known prefix behind ``name``, but for a token to compute; also its name."""
        pages: list[int] = []
        for start in range(0, (len(tokens) - 1) // PAGE * PAGE, PAGE):
            longer = chain(name, tokens[start : start + PAGE])
            page = self._pages.get(longer)
            if page is None:
                break
            self._free.pop(page, None)
            self.references[page] += 1
            pages.append(page)
            name = longer
        return pages, name

    def allocate(self, n: int) -> list[int] | None:
        """Takes ``n`` pages, whose old contents are forgotten; None, and nothing taken, where fewer are free."""
        if n > self.free:
            return None
        pages = [self._free.popitem(last=False)[0] for _ in range(n)]
        for page in pages:
            self.references[page] = 1
            self.unname(page)
        return pages

    def name(self, page: int, name: bytes) -> None:
        """A held page is full: it can be found by its name, unless another page with the same contents is."""
        if self._pages.setdefault(name, page) == page:
            self._names[page] = name

    def unname(self, page: int) -> None:
        """Nobody finds the page any more."""
        if (name := self._names.pop(page, None)) is not None:
            del self._pages[name]

    def release(self, pages: Sequence[int]) -> None:
        """Gives back a sequence's pages, last first: a prefix outlives its tails, an unnamed page goes at once."""
        for page in reversed(pages):
            self.references[page] -= 1
            if self.references[page] == 0:
                self._free[page] = None
                if page not in self._names:
                    self._free.move_to_end(page, last=False)
