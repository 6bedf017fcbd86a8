"""The tokenizer files of a Hugging Face folder -> the vocabulary inside a GGUF file.

The reverse of :mod:`fathom.weights.gguf_vocab`, from which the names and numbers are: a pre-tokenizer is found in the
table by what it does, and written as its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fathom.errors import FathomError
from fathom.text.tokenizer import spelling
from fathom.weights.gguf_vocab import CONTROL, DIGITS, NORMAL, ROLES, UNUSED, USER_DEFINED, Pre, pre_tokenizers

__all__ = ["vocabulary_fields"]


def vocabulary_fields(tokenizer: Mapping[str, Any], config: Mapping[str, Any], size: int) -> dict[str, Any]:
    """GGUF's ``tokenizer.*`` metadata for the content of a ``tokenizer.json`` and a ``tokenizer_config.json``."""
    model = tokenizer["model"]
    tokens, kinds = [f"[PAD{i}]" for i in range(size)], [UNUSED] * size
    entries = [(token, i, NORMAL) for token, i in model["vocab"].items()]
    entries += [(t["content"], t["id"], CONTROL if t["special"] else USER_DEFINED) for t in tokenizer["added_tokens"]]
    for token, i, kind in entries:
        if i >= size:
            raise FathomError("checkpoint_mismatch", path="tokenizer.json", problem=f"token {i} of {size} in the model")
        tokens[i], kinds[i] = token, kind
    fields: dict[str, Any] = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": _pre_name(tokenizer),
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.merges": [m if isinstance(m, str) else " ".join(m) for m in model["merges"]],
        "tokenizer.ggml.add_bos_token": bool(config.get("add_bos_token", False)),
        "tokenizer.ggml.add_eos_token": bool(config.get("add_eos_token", False)),
    }
    ids = {token: i for i, token in enumerate(tokens)}
    for name, role in ROLES.items():
        if (token := spelling(config.get(name))) in ids:
            fields[f"tokenizer.ggml.{role}_token_id"] = ids[token]
    if isinstance(template := config.get("chat_template"), str):
        fields["tokenizer.chat_template"] = template
    return fields


def _pre_name(tokenizer: Mapping[str, Any]) -> str:
    """The name of a pre-tokenizer, found by what it does."""
    model, outer = tokenizer["model"], tokenizer["pre_tokenizer"] or {}
    splits: list[str] = []
    gpt2 = False
    for part in outer.get("pretokenizers", [outer]):
        match part:
            case {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}:
                splits.append(pattern)
            case {"type": "Digits", "individual_digits": True}:
                splits.append(DIGITS)
            case {"type": "ByteLevel", "add_prefix_space": False, **rest}:
                gpt2 = bool(rest.get("use_regex", True))
            case _:
                splits.append(f"{part.get('type')}")
    found = Pre(tuple(splits), gpt2, bool(model.get("ignore_merges")))
    normalizer = tokenizer.get("normalizer") or {"normalizers": []}  # GGUF has none; V3 files hold an empty sequence
    if model.get("type") == "BPE" and normalizer.get("normalizers") == []:
        for name, pre in pre_tokenizers().items():
            if pre == found:
                return name
    raise FathomError(
        "format_unsupported",
        what="pre-tokenizer of tokenizer.json",
        found=" | ".join(splits)[:80],
        known=", ".join(pre_tokenizers()),
    )
