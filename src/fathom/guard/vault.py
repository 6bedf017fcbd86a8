"""What a mask replaced, so that it can be put back: the pairs of one request or one file.

A placeholder is ``⟦PERSON_1⟧``: type and number in order of appearance, so that the same conversation is masked into
the same text and a model's prefix cache keeps working. It ends itself, so none is the beginning of another.

On disk a vault is one sealed box: magic, time of expiry (8 bytes, seconds since 1970, big-endian, 0: never), nonce (12
bytes), then AES-256-GCM over UTF-8 JSON, whose authenticated data are the bytes before it. In memory nothing is sealed:
Python can't overwrite strings, so :meth:`Vault.clear` only lets go of them.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from fathom._guard import Literals, Placeholders
from fathom.errors import Both, FathomError
from fathom.files import atomic_file, errors_of

from .entities import ENTITIES

if TYPE_CHECKING:  # imported where it is used: most vaults never touch a disk
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["CLOSE", "KEY_BYTES", "LINE", "LITERAL", "LONGEST", "OPEN", "SPELLINGS", "Vault", "placeholder", "spellings"]

OPEN, CLOSE = "⟦", "⟧"
LITERAL, LINE = "LITERAL", "LINE"  # types that are no entities: what looks like a token, a record kept as it was
_OWN = "OWN"  # in a file: a placeholder that the user's text holds in some spelling, so it stands for nothing
_TYPES = (*ENTITIES, LITERAL)
_NOTHING = Literals()
SPELLINGS = Placeholders(list(_TYPES))  # which there are: csrc/guard/placeholders.h
KEY_BYTES = 32
LONGEST = 64  # code points of a token, and of a value that is looked for without its context
_NUMBER = re.compile(r"[0-9 .()+-]*")
_MAGIC = b"fathom-vault-1\n"
_HEADER = len(_MAGIC) + 8 + 12  # bytes before the sealed part
_TOKEN = re.compile(rf"{OPEN}([A-Z][A-Z_]{{0,39}})_([1-9][0-9]{{0,17}}){CLOSE}")


def placeholder(type: int, number: int) -> str:
    """The one that ``SPELLINGS`` found."""
    return f"{OPEN}{_TYPES[type]}_{number}{CLOSE}"


def spellings(text: str) -> list[tuple[int, int]]:
    """(start, end) of all that a model might have made of a placeholder."""
    return [(start, end) for start, end, _, _ in SPELLINGS.find(text, _NOTHING, _NOTHING)[1]]


class Vault:
    """Pairs of token and value; thread-safe, but made for one request or file and never shared between two.

    ``repr`` shows how many there are, never what.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.expires: datetime | None = None  # of its file
        self._forget()

    def _forget(self) -> None:
        self._pairs: dict[str, tuple[str, str]] = {}  # token -> (type, value)
        self._placeholders: dict[tuple[str, str], str] = {}  # (type, value) -> token
        self._surrogates: dict[tuple[str, str], str] = {}  # the same for tokens that look like values
        self._types: dict[str, str] = {}  # value -> the first type it had
        self._numbers: dict[str, int] = {}  # type -> last number of a placeholder
        self._draws: dict[str, int] = {}  # the same for surrogates
        self._lookalikes = Literals()  # what a text of the user's must not hold beside tokens
        self._lookalikes.add(OPEN)
        self._known = Literals()  # values that are meant wherever they stand
        self._tokens = Literals()
        self._own: set[str] = set()  # placeholders of the user's own text, never given out

    @classmethod
    def of(cls, tokens: Mapping[str, str]) -> Vault:
        """A vault of pairs from elsewhere, token to value; the type of a token that names none is CUSTOM."""
        vault = cls()
        for token, value in tokens.items():
            named = _TOKEN.fullmatch(token)
            vault.keep(named[1] if named else "CUSTOM", value, token)
        return vault

    def __len__(self) -> int:
        return len(self._pairs)

    def __repr__(self) -> str:
        return f"Vault({len(self)} pairs)"

    def token(self, type: str, value: str) -> str:
        """The placeholder of ``value``: the one it has, or a new one with the next number of its type."""
        with self._lock:
            if (known := self._placeholders.get((type, value))) is not None:
                return known
            number = self._numbers.get(type, 0) + 1
            while (token := f"{OPEN}{type}_{number}{CLOSE}") in self._own:
                number += 1
            self.keep(type, value, token)
            return token

    def next_draw(self, type: str) -> int:
        """The number of the next surrogate of this type to try."""
        with self._lock:
            self._draws[type] = self._draws.get(type, 0) + 1
            return self._draws[type]

    def keep(self, type: str, value: str, token: str) -> None:
        """Notes that ``token`` stands for ``value``; a token stands for one value only."""
        with self._lock:
            if not 0 < len(token) <= LONGEST or self._pairs.get(token, (type, value)) != (type, value):
                raise FathomError(
                    "parameter_invalid", param="vault", problem="an empty token, a long one, or one of two values"
                )
            self._pairs[token] = type, value
            self._tokens.add(token)
            self.note(type, value)
            if token[0] != OPEN:
                self._lookalikes.add(token)
                self._surrogates.setdefault((type, value), token)
                self._draws[type] = max(self._draws.get(type, 0), len(self._surrogates))
                return
            self._placeholders.setdefault((type, value), token)
            if (named := _TOKEN.fullmatch(token)) is not None:
                self._numbers[named[1]] = max(self._numbers.get(named[1], 0), int(named[2]))

    def note(self, type: str, value: str) -> None:
        """``value`` is personal wherever it stands from now on, whether or not it has a token yet."""
        with self._lock:
            if type in ENTITIES and self._types.setdefault(value, type) and _stands_alone(value):
                self._known.add(value)

    def value(self, token: str) -> str | None:
        pair = self._pairs.get(token)
        return None if pair is None else pair[1]

    def surrogate(self, type: str, value: str) -> str | None:
        """The token that looks like a value, if ``value`` has one."""
        return self._surrogates.get((type, value))

    def is_taken(self, text: str) -> bool:
        """A token or a value is this text."""
        return text in self._pairs or text in self._types

    def find_values(self, text: str) -> list[tuple[int, int, str]]:
        """(start, end, type) of every value it knows, whole words and numbers only, sorted and disjoint."""
        with self._lock:
            places, _ = self._known.find(text)
            return [(start, end, self._types[text[start:end]]) for start, end in places if _is_whole(text, start, end)]

    def reserve(self, text: str) -> None:
        """Placeholders that ``text``, not masked yet, holds in some spelling (``[Person 1]``) will not be given out, so
        that it can stay as it is."""
        with self._lock:
            _, unknown, _ = SPELLINGS.find(text, self._tokens, self._tokens)
            self._own.update(placeholder(type, number) for start, _, type, number in unknown if text[start] != OPEN)

    def find_lookalikes(self, text: str) -> list[tuple[int, int]]:
        """(start, end) of what could be taken for a token in a text that was not masked yet; of placeholders in their
        own brackets the first."""
        with self._lock:
            found, _, _ = SPELLINGS.find(text, self._lookalikes, self._tokens)
        return [(start, start + 1 if text[start] == OPEN and type >= 0 else end) for start, end, type, _ in found]

    def own(self) -> frozenset[str]:
        """Placeholders that stand for nothing: the user's text held them."""
        with self._lock:
            return frozenset(self._own)

    def tokens(self) -> Mapping[str, str]:
        """A copy: token to value, in order of appearance."""
        with self._lock:
            return {token: value for token, (_, value) in self._pairs.items()}

    def literals(self) -> Literals:
        """The tokens it has now, to be searched for; a copy that does not grow."""
        with self._lock:
            return self._tokens.copy()

    def clear(self) -> None:
        with self._lock:
            self._forget()

    def seal(self, key: bytes, *, expires: datetime | None = None) -> bytes:
        """The pairs sealed with ``key`` (32 bytes), as a file holds them. ``expires``: in place of the vault's own."""
        with self._lock:
            pairs = [(token, type, value) for token, (type, value) in self._pairs.items()]
            pairs += [(token, _OWN, "") for token in sorted(self._own)]
        expires = expires or self.expires
        until = 0 if expires is None else max(1, int(expires.timestamp()))
        header = _MAGIC + until.to_bytes(8, "big") + os.urandom(12)
        plain = json.dumps(pairs).encode()  # ASCII: a lone surrogate has no UTF-8
        return header + _cipher(key).encrypt(header[-12:], plain, header)

    def save(self, path: str | Path, key: bytes, *, expires: datetime | None = None) -> None:
        """Writes what :meth:`seal` gives, all or nothing, readable by the owner only."""
        box = self.seal(key, expires=expires)
        with atomic_file(Path(path)) as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(box)

    @classmethod
    def load(cls, path: str | Path, key: bytes) -> Vault:
        """The vault that :meth:`save` wrote. A wrong key and a changed file look the same: ``vault_locked``."""
        with errors_of(path):
            data = Path(path).read_bytes()
        if not data.startswith(_MAGIC) or len(data) < _HEADER:
            raise FathomError(
                "file_malformed",
                path=path,
                format=Both("vault", "保险库"),
                problem=Both("it does not begin like one", "开头不对"),
            )
        header = data[:_HEADER]
        from cryptography.exceptions import InvalidTag

        try:
            plain = _cipher(key).decrypt(header[-12:], data[_HEADER:], header)
        except InvalidTag:
            raise FathomError("vault_locked", path=path) from None
        until = int.from_bytes(header[len(_MAGIC) : -12], "big")
        if until and datetime.now(UTC).timestamp() >= until:
            raise FathomError("vault_expired", path=path, when=datetime.fromtimestamp(until, UTC).isoformat())
        vault = cls()
        vault.expires = datetime.fromtimestamp(until, UTC) if until else None
        for token, type, value in json.loads(plain):
            if type == _OWN:
                vault._own.add(token)
            else:
                vault.keep(type, value, token)
        return vault


def _stands_alone(value: str) -> bool:
    """Long enough to be meant wherever it stands, and short enough to be searched for at every place."""
    least = 2 if not value.isascii() else 5 if _NUMBER.fullmatch(value) else 3
    return least <= len(value) <= LONGEST


def _is_whole(text: str, start: int, end: int) -> bool:
    """No part of a longer word or number in Latin letters and digits."""
    before = start > 0 and _joins(text[start - 1]) and _joins(text[start])
    after = end < len(text) and _joins(text[end - 1]) and _joins(text[end])
    return not before and not after


def _joins(character: str) -> bool:
    return character.isascii() and character.isalnum()


def _cipher(key: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if len(key) != KEY_BYTES:
        raise FathomError(
            "parameter_invalid",
            param="key",
            problem=Both(f"{len(key)} bytes, expected {KEY_BYTES}", f"{len(key)} 字节，应为 {KEY_BYTES} 字节"),
        )
    return AESGCM(key)
