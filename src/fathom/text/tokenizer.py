"""Text <-> token ids: byte-level BPE through the ``tokenizers`` library.

The library gets a tokenizer *without* added tokens: it only ever sees ordinary text. Added tokens are split off here,
so whether a string may become a control id is decided per call, and user text can't reach one by construction:

* a **control** token is an added token flagged special, named as begin or end of text, or spelled like markup
  (``<...>`` or ``[...]``). Only ``encode(..., allow_special=True)`` (template text) yields its id;
* any other added token is vocabulary. deepseek-llm's 100002-100014 are such: symbols of bytes that never occur in
  UTF-8, whose spelling swallows the letters ø ö ú ÿ õ ÷ û ý À ù Á þ ü. The model was trained that way, so they are
  encoded as these ids, and decoded as the letters they stand for (a ByteLevel decoder would answer U+FFFD).

Post-processors are ignored: what stands before a text (BOS) is :attr:`Tokenizer.prefix`, added on request, once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import FathomError
from ..files import errors_of

__all__ = ["Tokenizer", "spelling", "valid"]

_FILES = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"),
    *("generation_config.json", "chat_template.jinja"),
)
_MARKUP = re.compile(r"<.+>|\[.+\]", re.DOTALL)


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's printable symbol of each byte: Latin-1's printable ones stand for themselves, the rest for U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = (byte for byte in range(256) if byte not in printable)
    return {chr(b): b for b in printable} | {chr(0x100 + i): b for i, b in enumerate(others)}


_BYTE_OF = _byte_alphabet()


class Tokenizer:
    """One vocabulary. ``spec`` is the text of a tokenizer.json, ``config`` that of a tokenizer_config.json."""

    def __init__(self, spec: str, config: Mapping[str, Any] | None = None, *, name: str = "tokenizer.json") -> None:
        self.config: dict[str, Any] = dict(config or {})
        self._spec = spec
        try:
            self._build(_parse(spec, name), name)
        except (TypeError, LookupError, AttributeError, ValueError) as error:
            problem = f"an entry of an unexpected kind ({type(error).__name__}: {error})"
            raise FathomError("file_malformed", path=name, format="tokenizer.json", problem=problem) from None

    def _build(self, raw: dict[str, Any], name: str) -> None:
        added = {int(t["id"]): t for t in raw.get("added_tokens") or ()}
        named = {spelling(self.config.get(key)) for key in ("bos_token", "eos_token", "pad_token")}
        self._added: dict[int, str] = {i: t["content"] for i, t in added.items() if t["content"]}
        self.controls: dict[int, str] = {
            i: text
            for i, text in self._added.items()
            if added[i].get("special") or text in named or _MARKUP.fullmatch(text)
        }
        #: Controls that are no part of a text: all but those flagged not special, such as <think>.
        self.hidden = {i for i, text in self.controls.items() if added[i].get("special") or text in named}
        self._id_of: dict[str, int] = {text: i for i, text in self._added.items()}
        self._ordinary_pattern = _splitter(text for i, text in self._added.items() if i not in self.controls)
        self._control_pattern = _splitter(self.controls.values())
        self._lstrip, self._rstrip = ({i for i, t in added.items() if t.get(key)} for key in ("lstrip", "rstrip"))
        self.bos_id: int | None = self._id_of.get(spelling(self.config.get("bos_token")) or "")
        self.eos_ids: tuple[int, ...] = self._end_ids()
        self.prefix: tuple[int, ...] = self._text_prefix(raw.get("post_processor"))
        self._library = _library(raw, set(self._id_of), name)
        vocab = raw["model"]["vocab"]
        self.vocab_size: int = max((*vocab.values(), *self._added), default=-1) + 1

    @classmethod
    def load(cls, source: Path | str | Mapping[str, Path | str], *, name: Path | str = "the model") -> Tokenizer:
        """From a checkpoint folder, or from files by name (a path, or the text itself as a GGUF gives it)."""
        if not isinstance(source, Mapping):
            name, source = source, {file: Path(source) / file for file in _FILES if (Path(source) / file).is_file()}
        if "tokenizer.json" not in source:
            raise FathomError("no_tokenizer", path=name)
        texts = {file: _read(source[file]) for file in _FILES if file in source}
        config: dict[str, Any] = {}
        for file in ("special_tokens_map.json", "tokenizer_config.json"):
            config |= _object(texts.get(file, "{}"), file)
        if "chat_template.jinja" in texts:
            config["chat_template"] = texts["chat_template.jinja"]
        ends = _object(texts.get("generation_config.json", "{}"), "generation_config.json").get("eos_token_id")
        return cls(texts["tokenizer.json"], {"eos_token_id": ends, **config}, name=f"{name}: tokenizer.json")

    # text -> ids

    def encode(self, text: str, *, add_bos: bool = False, allow_special: bool = False) -> list[int]:
        """The ids of ``text``. Unless ``allow_special``, a control token spelled out in it becomes ordinary tokens."""
        text = valid(text, "the text")
        segments = self.split_controls(text) if allow_special else (text,)
        return [*(self.prefix if add_bos else ()), *self.join(segments)]

    def join(self, segments: Iterable[str | int]) -> list[int]:
        """The ids of a text given in segments: ordinary text, and ids of control tokens between."""
        split = (self._split(s, self._ordinary_pattern) if isinstance(s, str) else (s,) for s in segments)
        pieces = [piece for group in split for piece in group if piece != ""]
        ids: list[int] = []
        for before, piece, after in zip([None, *pieces], pieces, [*pieces[1:], None], strict=False):
            if isinstance(piece, int):
                ids.append(piece)
                continue
            piece = piece.lstrip() if before in self._rstrip else piece
            piece = piece.rstrip() if after in self._lstrip else piece
            ids += self._library.encode(piece, add_special_tokens=False).ids
        return ids

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        """``encode`` of many texts, on all cores."""
        if self._ordinary_pattern:
            return [self.encode(text) for text in texts]
        return [encoding.ids for encoding in self._library.encode_batch_fast(texts, add_special_tokens=False)]

    def split_controls(self, text: str) -> Iterator[str | int]:
        """``text`` in segments as :meth:`join` takes them; spelled-out control tokens become their ids."""
        return self._split(text, self._control_pattern)

    def _split(self, text: str, pattern: re.Pattern[str] | None) -> Iterator[str | int]:
        start = 0
        for match in pattern.finditer(text) if pattern else ():
            yield text[start : match.start()]
            yield self._id_of[match[0]]
            start = match.end()
        yield text[start:]

    # ids -> text

    def token_bytes(self, token: int) -> bytes:
        """The exact bytes a token stands for; an id without an entry (padding of the embedding) has none."""
        if (added := self._added.get(token)) is not None:
            return added.encode()
        symbols = self._library.id_to_token(token) if token >= 0 else None
        return b"" if symbols is None else bytes(_BYTE_OF[s] for s in symbols)

    def decode(self, ids: Iterable[int], skip_special: bool = True) -> str:
        """The text of ``ids``; invalid UTF-8 becomes U+FFFD, hidden control tokens are left out unless asked for."""
        kept = (i for i in ids if not (skip_special and i in self.hidden))
        return b"".join(map(self.token_bytes, kept)).decode("utf-8", "replace")

    def grammar_spec(self) -> str:
        """A tokenizer.json for grammar engines: control tokens are flagged special, so no grammar's text uses one."""
        raw = json.loads(self._spec)
        added = [t | {"special": int(t["id"]) in self.controls} for t in raw.get("added_tokens") or ()]
        return json.dumps(raw | {"added_tokens": added, "post_processor": None}, ensure_ascii=False)

    # what stands at the ends of a text

    def _end_ids(self) -> tuple[int, ...]:
        listed = self.config.get("eos_token_id")
        ids = [listed] if isinstance(listed, int) else list(listed or ())
        named = self._id_of.get(spelling(self.config.get("eos_token")) or "")
        return tuple(dict.fromkeys([*([] if named is None else [named]), *ids]))

    def _text_prefix(self, post_processor: Mapping[str, Any] | None) -> tuple[int, ...]:
        """The tokens before a text: what the post-processor's template says, else BOS unless add_bos_token is false."""
        for step in (post_processor or {}).get("processors") or [post_processor or {}]:
            if step.get("type") == "TemplateProcessing":
                ids: list[int] = []
                for piece in step.get("single", ()):
                    if "SpecialToken" not in piece:
                        break
                    ids += step["special_tokens"][piece["SpecialToken"]["id"]]["ids"]
                return tuple(ids)
        wanted = self.config.get("add_bos_token", True)
        return (self.bos_id,) if wanted and self.bos_id is not None else ()


def _library(raw: Mapping[str, Any], added: set[str], name: str) -> Any:
    """The library's tokenizer of the plain vocabulary: no added tokens, no post-processor, no truncation."""
    import tokenizers

    model = raw["model"]
    if model.get("type") not in (None, "BPE") or '"ByteLevel"' not in json.dumps(raw.get("decoder")):
        found = f"{model.get('type')} with decoder {(raw.get('decoder') or {}).get('type')}"
        raise FathomError("format_unsupported", what="tokenizer", found=found, known="BPE with decoder ByteLevel")
    if not added.isdisjoint(model["vocab"]):  # what the vocabulary repeats must not come out of the merges either
        vocab = {token: i for token, i in model["vocab"].items() if token not in added}
        merges = [m for m in model["merges"] if _merged(m) not in added]
        model = {**model, "vocab": vocab, "merges": merges}
    plain = {
        **raw,
        "model": {**model, "unk_token": None},
        "added_tokens": [],
        **dict.fromkeys(("post_processor", "truncation", "padding")),
    }
    try:
        return tokenizers.Tokenizer.from_str(json.dumps(plain, ensure_ascii=False))
    except Exception as error:  # the library raises bare Exceptions
        raise FathomError("file_malformed", path=name, format="tokenizer.json", problem=error) from None


def _merged(merge: str | list[str]) -> str:
    return merge.replace(" ", "", 1) if isinstance(merge, str) else "".join(merge)


def _splitter(texts: Iterable[str]) -> re.Pattern[str] | None:
    """A pattern that finds added tokens; of several at one place the longest."""
    ordered = sorted(texts, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, ordered))) if ordered else None


def valid(text: str, where: str) -> str:
    """``text``, if it has no lone surrogate, which UTF-8 can't write."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise FathomError("encoding", where=where, offset=len(text[: error.start].encode())) from None
    return text


def spelling(token: Any) -> str | None:
    """The text of a special token as tokenizer_config.json gives it: a string, or a dict with its content."""
    text = token.get("content") if isinstance(token, Mapping) else token
    return text if isinstance(text, str) else None


def _parse(spec: str, name: str) -> dict[str, Any]:
    match raw := _object(spec, name):
        case {"model": {"vocab": dict(), "merges": list()}}:
            return raw
    raise FathomError("file_malformed", path=name, format="tokenizer.json", problem="no BPE model in it")


def _object(text: str, name: str) -> dict[str, Any]:
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FathomError("file_malformed", path=name, format="JSON", problem=error) from None
    if not isinstance(raw, dict):
        raise FathomError("file_malformed", path=name, format="JSON", problem="it is no object")
    return raw


def _read(source: Path | str) -> str:
    if isinstance(source, str):
        return source
    try:
        with errors_of(source):
            return source.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise FathomError("encoding", where=source, offset=error.start) from None
