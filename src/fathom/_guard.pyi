"""Stubs of the extension module: the passes over a whole text that guard/ makes."""

import numpy as np
from numpy.typing import NDArray

def fold(text: str) -> tuple[str, NDArray[np.int32] | None]:
    """The text as the eye reads it, and the index in the original of each character and of the end; None: equal."""

def numbers(text: str, today: int) -> NDArray[np.int32]:
    """(n, 4): start, end, kind (KINDS in guard/numbers.py) and form (in one piece, usual groups, scattered) of numbers.

    ``today``: yyyymmdd; no one is born later."""

def words(text: str, least: int) -> NDArray[np.int32]:
    """(n, 2): start and end of every word of [0-9A-Za-z] with at least so many characters."""

def machines(text: str) -> NDArray[np.int32]:
    """(n, 3): start, end, kind of what looks like 0: an IPv6 address, 1: a MAC address, 2: one in three fours."""

def eip55(hex: str) -> bool:
    """Whether 40 hexadecimal digits are written in the case that EIP-55 asks for."""

def runs(text: str, digits: int) -> NDArray[np.int32]:
    """(n, 3): start, end, digits of every maximal run of words with digits that has at least so many."""

class Automaton:
    """Finds all words of a list in one pass, whatever the case of ASCII letters."""

    def __init__(self, words: list[str], ids: list[int], whole: list[bool], longest: bool = False) -> None:
        """``whole``: a word that does not count within a longer one of ASCII letters, but at a hump (dbPassword).
        ``longest``: of those that end at one place only the longest counts; then all words are whole."""

    def find(self, text: str) -> NDArray[np.int32]:
        """(n, 3): start, end and id of every occurrence, by end, the longer first."""

class Placeholders:
    """Spellings of ``⟦TYPE_N⟧`` for a closed list of types: csrc/guard/placeholders.h."""

    def __init__(self, types: list[str]) -> None: ...
    def find(
        self, text: str, literals: Literals, tokens: Literals, open: bool = False
    ) -> tuple[list[tuple[int, int, int, int]], list[tuple[int, int, int, int]], int]:
        """Disjoint (start, end, type, number), type -1: a literal; the same of placeholders that are not among
        ``tokens``; where it stopped."""

class Literals:
    """A set of strings that may grow."""

    def __init__(self) -> None: ...
    def __len__(self) -> int: ...
    def copy(self) -> Literals: ...
    def add(self, word: str) -> None: ...
    def find(self, text: str, open: bool = False) -> tuple[list[tuple[int, int]], int]:
        """Disjoint (start, end), leftmost and longest first; and where it stopped: at the end or, with ``open``, at the
        first place where a longer word may come when the text goes on."""
    def occurring(self, text: str) -> list[int]:
        """The numbers, in order of adding, of the words that stand anywhere, also within one another."""

class NameModel:
    """Candidates for names of persons, scored by a linear model over hashed features (csrc/guard/names.h)."""

    def __init__(self, words: NDArray[np.uint8], weights: NDArray[np.int8], scale: float) -> None: ...
    def find(self, text: str, threshold: float) -> list[tuple[int, int, int, float]]:
        """(start, end, kind, logit) of the best disjoint candidates of at least this logit, in order."""
    def candidates(self, text: str) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """(n, 3): start, end, kind; (n, 24): the buckets of their features."""

def name_word_bits(word_class: int, word: str) -> tuple[int, int, int]:
    """The bits of the word filter that stand for a word of a class."""
