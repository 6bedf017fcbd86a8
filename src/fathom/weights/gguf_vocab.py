"""The vocabulary inside a GGUF file -> the tokenizer files of a Hugging Face folder.

GGUF holds the tokens, merges and kinds of a byte-level BPE, but only the *name* of the pre-tokenizer that cuts text
before merging; what a name means is a fact of the model it comes from, kept in ``assets/pretokenizers.toml``. Unknown
names are an error of the text calls alone: token ids work with any file.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fathom.assets import ASSETS
from fathom.errors import FathomError
from fathom.weights.gguf_file import malformed

__all__ = ["ROLES", "Pre", "VocabularyFiles", "pre_tokenizers"]

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)  # tokenizer.ggml.token_type
DIGITS = "single digits"  # stands for the Digits pre-tokenizer among the regular expressions
ROLES = {"bos_token": "bos", "eos_token": "eos", "pad_token": "padding", "unk_token": "unknown"}


@dataclass(frozen=True, slots=True)
class Pre:
    """Regular expressions that isolate their matches one after another, before bytes are mapped to symbols."""

    splits: tuple[str, ...]
    gpt2: bool = False  # the split built into the ByteLevel pre-tokenizer
    ignore_merges: bool = False  # a piece that is a token needs no merging


@cache
def pre_tokenizers() -> dict[str, Pre]:
    """All that are known, by the name a GGUF file gives them."""
    data = tomllib.loads((ASSETS / "pretokenizers.toml").read_text("utf-8"))
    parts = {name: _characters(codes) for name, codes in data["codes"].items()}

    def filled(pattern: str) -> str:
        return re.sub(r"<(\w+)>", lambda part: parts[part[1]], pattern)

    for name, pattern in data["parts"].items():
        parts[name] = filled(pattern)
    return {
        name: Pre(tuple(map(filled, entry["splits"])), entry.get("gpt2", False), entry.get("ignore_merges", False))
        for entry in data["pre"]
        for name in entry["names"]
    }


def _characters(codes: str) -> str:
    """ "41-5A B5" -> "A-Zµ"."""
    return "".join("-".join(chr(int(code, 16)) for code in item.split("-")) for item in codes.split())


class VocabularyFiles(Mapping[str, "Path | str"]):
    """The tokenizer files a GGUF stands for, as texts that are made when asked for."""

    def __init__(self, path: Path, fields: Mapping[str, Any]) -> None:
        self._files: dict[str, Callable[[], dict[str, Any]]] = {}
        if fields.get("tokenizer.ggml.model", "no_vocab") != "no_vocab":
            self._files = {
                "tokenizer.json": lambda: _tokenizer(path, fields),
                "tokenizer_config.json": lambda: _tokenizer_config(path, fields),
                "generation_config.json": lambda: _generation_config(fields),
            }

    def __getitem__(self, name: str) -> str:
        return json.dumps(self._files[name](), ensure_ascii=False)

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def _tokenizer(path: Path, fields: Mapping[str, Any]) -> dict[str, Any]:
    if (model := fields.get("tokenizer.ggml.model")) != "gpt2":
        raise FathomError("format_unsupported", what="GGUF tokenizer", found=model, known="gpt2 (byte-level BPE)")
    name = fields.get("tokenizer.ggml.pre")
    if not isinstance(name, str) or name not in pre_tokenizers():
        raise FathomError(
            "format_unsupported", what="GGUF pre-tokenizer", found=name, known=", ".join(pre_tokenizers())
        )
    pre = pre_tokenizers()[name]
    tokens, kinds = _tokens(path, fields)
    added = [
        {"id": i, "content": token, "special": kind == CONTROL, "normalized": False}
        | {"single_word": False, "lstrip": False, "rstrip": False}
        for i, (token, kind) in enumerate(zip(tokens, kinds, strict=True))
        if kind in (CONTROL, USER_DEFINED)
    ]
    vocabulary = {  # added tokens too, or ``tokenizers`` would give them new ids
        token: i for i, (token, kind) in enumerate(zip(tokens, kinds, strict=True)) if kind not in (UNUSED, UNKNOWN)
    }
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": pre.gpt2}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [*(_split(pattern) for pattern in pre.splits), byte_level],
        },
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            **{"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None},
            **{"end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False},
            "ignore_merges": pre.ignore_merges,
            "vocab": vocabulary,
            "merges": _merges(path, fields, vocabulary),
        },
    }


def _split(pattern: str) -> dict[str, Any]:
    if pattern == DIGITS:
        return {"type": "Digits", "individual_digits": True}
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def _tokens(path: Path, fields: Mapping[str, Any]) -> tuple[list[str], list[int]]:
    tokens = _strings(path, fields, "tokens")
    kinds = fields.get("tokenizer.ggml.token_type", [NORMAL] * len(tokens))
    if not isinstance(kinds, list) or len(kinds) != len(tokens) or not all(isinstance(kind, int) for kind in kinds):
        malformed(path, f"tokenizer.ggml.token_type does not give a type to each of the {len(tokens)} tokens")
    kinds = list(kinds)
    for role in ("bos", "eos", "padding"):  # these are special whatever their type says
        token = fields.get(f"tokenizer.ggml.{role}_token_id")
        if type(token) is int and 0 <= token < len(kinds):
            kinds[token] = CONTROL
    return tokens, kinds


def _merges(path: Path, fields: Mapping[str, Any], vocabulary: Mapping[str, int]) -> list[list[str]]:
    merges: list[list[str]] = []
    for merge in _strings(path, fields, "merges"):
        at = merge.find(" ", 1)
        left, right = merge[:at], merge[at + 1 :]
        if at < 0 or not (left in vocabulary and right in vocabulary and left + right in vocabulary):
            malformed(path, f"tokenizer.ggml.merges: {merge[:60]!r} does not make a token of two")
        merges.append([left, right])
    return merges


def _strings(path: Path, fields: Mapping[str, Any], key: str) -> list[str]:
    values = fields.get(f"tokenizer.ggml.{key}")
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        malformed(path, f"tokenizer.ggml.{key} is missing or no list of texts")
    return values


def _tokenizer_config(path: Path, fields: Mapping[str, Any]) -> dict[str, Any]:
    tokens = _strings(path, fields, "tokens")
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "add_bos_token": fields.get("tokenizer.ggml.add_bos_token", fields.get("tokenizer.ggml.pre") == "llama-bpe"),
        "add_eos_token": fields.get("tokenizer.ggml.add_eos_token", False),
    }
    for name, role in ROLES.items():
        token = fields.get(f"tokenizer.ggml.{role}_token_id")
        if type(token) is int and 0 <= token < len(tokens):
            config[name] = tokens[token]
    if isinstance(template := fields.get("tokenizer.chat_template"), str):
        config["chat_template"] = template
    return config


def _generation_config(fields: Mapping[str, Any]) -> dict[str, Any]:
    """All tokens that end an answer: of text, of turn, of message."""
    ids = [fields.get(f"tokenizer.ggml.{kind}_token_id") for kind in ("eos", "eot", "eom")]
    return {"eos_token_id": list(dict.fromkeys(token for token in ids if type(token) is int))}
