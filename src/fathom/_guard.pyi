"""Stubs of the extension module: the passes over a whole text that guard/ makes."""

import numpy as np
from numpy.typing import NDArray

def fold(text: str) -> tuple[str, NDArray[np.int32] | None]:
    """The text as the eye reads it, and the index in the original of each character and of the end; None: equal."""

def runs(text: str, digits: int) -> NDArray[np.int32]:
    """(n, 3): start, end, digits of every maximal run of words with digits that has at least so many."""

class Automaton:
    """Finds all words of a list in one pass, whatever the case of ASCII letters."""

    def __init__(self, words: list[str], ids: list[int]) -> None: ...
    def find(self, text: str) -> NDArray[np.int32]:
        """(n, 3): start, end and id of every occurrence, by end, the longer first."""
