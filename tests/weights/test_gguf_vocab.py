"""The table of pre-tokenizers: its shorthand is spelled out as the files of the models have it, and compiles."""

from __future__ import annotations

import pytest

from fathom.weights.gguf_vocab import DIGITS, pre_tokenizers


def test_codes_and_parts_are_spelled_out() -> None:
    known = pre_tokenizers()
    assert known["deepseek-coder"].splits == ("[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+", DIGITS)
    assert known["deepseek-v3"].splits[2] == (
        r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^""" + "\r\n" + r"\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
        r"| ?[\p{P}\p{S}]+[" + "\r\n" + r"]*|\s*[" + "\r\n" + r"]+|\s+(?!\S)|\s+"
    )
    assert known["llama-bpe"].splits == (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+",
    )
    assert known["llama-bpe"].ignore_merges
    assert known["gpt-2"].gpt2


@pytest.mark.parametrize("name", pre_tokenizers())
def test_every_pattern_compiles(name) -> None:
    from tokenizers import Regex

    assert all(Regex(pattern) for pattern in pre_tokenizers()[name].splits)
