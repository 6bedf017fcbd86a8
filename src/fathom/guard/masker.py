"""Masks texts and puts the values back.

``unmask(mask(x)) == x`` for every string under the operators that can be undone: what stands in the user's text and
could be taken for a token is masked like a value. A value found once is masked wherever it stands in the same call,
and in later calls with the same vault, also where its context would not have given it away.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from fathom.errors import Both, FathomError

from .entities import DEFAULT_TYPES, ENTITIES
from .operators import OPERATORS, REVERSIBLE, irreversible
from .scan import BEFORE, LONGEST, Scanner
from .spans import Span
from .stream import Unmasker
from .surrogates import assign
from .vault import LITERAL, Vault, spellings

__all__ = ["Masked", "Masker", "Masking"]

_LEAST_KEY = 16  # bytes of a key for hashes
_TYPE, _OPERATOR = Both("type", "类型"), Both("operator", "操作")


@dataclass(frozen=True, slots=True, repr=False)
class Masked:
    """A masked text, what was found in the original (places in its code points), and the pairs to undo it."""

    text: str
    entities: list[Span]
    vault: Vault

    def __repr__(self) -> str:  # never the text: what was not found stands in it
        return f"Masked({len(self.text)} characters, {len(self.entities)} entities, {self.vault!r})"


class Masker:
    """Compiled once and shared between threads; every request or file brings its own vault.

    ``operator`` is one of :data:`OPERATORS` for all types, or a mapping of type to operator (others: placeholder).
    ``key``: at least 16 bytes, for the operator hash. The other arguments are :class:`Scanner`'s.
    """

    def __init__(
        self,
        types: Collection[str] = DEFAULT_TYPES,
        *,
        operator: str | Mapping[str, str] = "placeholder",
        dictionary: Mapping[str, str] = {},
        patterns: Mapping[str, str] = {},
        allow: Collection[str] = (),
        threshold: float = 0.5,
        strict: bool = False,
        key: bytes | None = None,
    ) -> None:
        for type in (*types, *dictionary.values(), *patterns.values()):
            if type not in ENTITIES:
                raise FathomError("choice_unknown", what=_TYPE, found=type, known=", ".join(ENTITIES))
        named = {"": operator} if isinstance(operator, str) else operator
        for type, name in named.items():
            if name not in OPERATORS:
                raise FathomError("choice_unknown", what=_OPERATOR, found=name, known=", ".join(OPERATORS))
            if type and type not in ENTITIES:
                raise FathomError("choice_unknown", what=_TYPE, found=type, known=", ".join(ENTITIES))
        if "hash" in named.values() and (key is None or len(key) < _LEAST_KEY):
            problem = Both(
                f"the operator hash needs a key of {_LEAST_KEY} bytes or more",
                f"操作 hash 需要至少 {_LEAST_KEY} 字节的密钥",
            )
            raise FathomError("parameter_invalid", param="key", problem=problem)
        default = operator if isinstance(operator, str) else "placeholder"
        self._operators = {type: named.get(type, default) for type in ENTITIES}
        self._key = key or b""
        self._scanner = Scanner(
            types, dictionary=dictionary, patterns=patterns, allow=allow, threshold=threshold, strict=strict
        )

    @property
    def scanner(self) -> Scanner:
        """What finds entities here, each place by itself."""
        return self._scanner

    @property
    def is_reversible(self) -> bool:
        """Everything it masks can be put back."""
        return REVERSIBLE.issuperset(self._operators.values())

    def find(self, text: str) -> list[Span]:
        """What would be masked, sorted and disjoint, in code points of ``text``."""
        return self._find_all([text], Vault(), [None])[0]

    def mask(self, text: str, vault: Vault | None = None) -> Masked:
        """``text`` without what is personal in it. A vault of an earlier text gives the same values the same tokens."""
        return self.mask_all([text], vault)[0]

    def mask_all(
        self, texts: Sequence[str], vault: Vault | None = None, *, types: Sequence[str | None] | None = None
    ) -> list[Masked]:
        """The same for texts that belong together, such as the messages of a conversation: what is found in one is
        masked in all, and no surrogate equals anything in any of them. ``types``: for each text the type that all of it
        is of, or None, to search it."""
        vault = Vault() if vault is None else vault
        return self._replaced_all(texts, self._find_all(texts, vault, types or [None] * len(texts)), vault)

    def unmask(self, text: str, vault: Vault) -> str:
        return Unmasker(vault).feed(text, end=True)

    def stream(self, vault: Vault) -> Masking:
        """Masks a text of any length that arrives in pieces."""
        return Masking(self, vault)

    def _find_all(self, texts: Sequence[str], vault: Vault, types: Sequence[str | None]) -> list[list[Span]]:
        found = [
            self._scanner.find(text) if type is None else _whole(text, type)
            for text, type in zip(texts, types, strict=True)
        ]
        for text, spans in zip(texts, found, strict=True):
            for span in spans:
                vault.note(span.type, text[span.start : span.end])
        return [_spread(text, spans, vault) for text, spans in zip(texts, found, strict=True)]

    def _replaced_all(self, texts: Sequence[str], found: Sequence[list[Span]], vault: Vault) -> list[Masked]:
        if not REVERSIBLE.isdisjoint(self._operators.values()):
            for text in texts:
                vault.reserve(text)
        fresh = {
            (span.type, text[span.start : span.end]): None
            for text, spans in zip(texts, found, strict=True)
            for span in spans
            if self._operators[span.type] == "surrogate"
        }
        assign(fresh, texts, vault)
        masked = [self._with(text, spans, vault, self._operators) for text, spans in zip(texts, found, strict=True)]
        if fresh and self.is_reversible:
            unmasker, plain = Unmasker(vault), dict.fromkeys(ENTITIES, "placeholder")
            for i, text in enumerate(texts):
                if unmasker.feed(masked[i], end=True) != text:  # a surrogate and its neighbours read as another one
                    masked[i] = self._with(text, found[i], vault, plain)
        return [Masked(text, spans, vault) for text, spans in zip(masked, found, strict=True)]

    def _with(self, text: str, spans: Sequence[Span], vault: Vault, operators: Mapping[str, str]) -> str:
        pieces: list[str] = []
        done = 0
        guarded = not REVERSIBLE.isdisjoint(operators.values()) and bool(vault.find_lookalikes(text))
        for span in spans:
            gap, value, operator = text[done : span.start], text[span.start : span.end], operators[span.type]
            pieces.append(_protected(gap, vault) if guarded else gap)
            surrogate = vault.surrogate(span.type, value) if operator == "surrogate" else None
            if surrogate is not None:
                pieces.append(surrogate)
            elif operator in REVERSIBLE:
                pieces.append(vault.token(span.type, value))
            else:
                pieces.append(irreversible(operator, span.type, value, self._key))
            done = span.end
        pieces.append(_protected(text[done:], vault) if guarded else text[done:])
        return "".join(pieces)


class Masking:
    """One text in pieces, masked as the whole would be; for one thread. Memory is bounded by ``WINDOW``.

    The scanner looks ``BEFORE`` characters back from what it finds, which is ``LONGEST`` long at most: what is so near
    the end waits for the next piece, and what was said already is looked at again as context.
    """

    WINDOW = 1 << 18  # characters

    def __init__(self, masker: Masker, vault: Vault) -> None:
        self._masker = masker
        self._vault = vault
        self._text = ""
        self._said = 0  # characters of the text that were masked already
        self._before = 0  # characters of the stream before the text

    def feed(self, piece: str, end: bool = False) -> Masked:
        """What is certain now, its entities in code points of the whole stream; with ``end`` all the rest."""
        self._text += piece
        if not end and len(self._text) - self._said < self.WINDOW + LONGEST:
            return Masked("", [], self._vault)
        [spans] = self._masker._find_all([self._text], self._vault, [None])
        stop = len(self._text) if end else len(self._text) - LONGEST
        whole = [*((span.start, span.end) for span in spans), *spellings(self._text)]
        for start, finish in sorted(whole):
            if start < stop < finish:
                stop = finish
        spans = [span._replace(start=max(span.start, self._said)) for span in spans if self._said < span.end <= stop]
        here = [span._replace(start=span.start - self._said, end=span.end - self._said) for span in spans]
        masked = self._masker._replaced_all([self._text[self._said : stop]], [here], self._vault)[0].text
        there = [span._replace(start=span.start + self._before, end=span.end + self._before) for span in spans]
        cut = max(0, stop - BEFORE)
        self._text, self._said, self._before = self._text[cut:], stop - cut, self._before + cut
        return Masked(masked, there, self._vault)


def _whole(text: str, type: str) -> list[Span]:
    """All of a text but the space around it."""
    start, end = len(text) - len(text.lstrip()), len(text.rstrip())
    return [Span(start, end, type, 1.0)] if start < end else []


def _protected(text: str, vault: Vault) -> str:
    """Text between values: what could be taken for a token becomes a placeholder, so that all tokens are ours."""
    pieces: list[str] = []
    tokens: dict[str, str] = {}
    done = 0
    for start, end in vault.find_lookalikes(text):
        like = text[start:end]
        if like not in tokens:
            tokens[like] = vault.token(LITERAL, like)
        pieces += text[done:start], tokens[like]
        done = end
    return "".join([*pieces, text[done:]])


def _spread(text: str, spans: list[Span], vault: Vault) -> list[Span]:
    """``spans`` and, between them, every other place of a value the vault knows."""
    if {(start, end) for start, end, _ in vault.find_values(text)} <= {(span.start, span.end) for span in spans}:
        return spans
    more: list[Span] = []
    done = 0
    for stop, resume in [*((span.start, span.end) for span in spans), (len(text), len(text))]:
        more += (Span(done + start, done + end, type, 1.0) for start, end, type in vault.find_values(text[done:stop]))
        done = resume
    return sorted([*spans, *more], key=lambda span: span.start) if more else spans
