"""A vocabulary that is written to GGUF and read again is the same."""

from __future__ import annotations

import json
from pathlib import Path


def test_golden_vectors_pass_through_the_table_of_pre_tokenizers(shared) -> None:
    from tokenizers import Tokenizer

    from fathom.convert.gguf_vocab import vocabulary_fields
    from fathom.weights.gguf_vocab import VocabularyFiles

    original = json.loads((shared / "vocab" / "tokenizer.json").read_text("utf-8"))
    fields = vocabulary_fields(original, {}, 102400)
    assert fields["tokenizer.ggml.pre"] == "deepseek-llm"
    tokenizer = Tokenizer.from_str(VocabularyFiles(Path("x.gguf"), fields)["tokenizer.json"])
    golden = json.loads((shared / "vocab" / "golden.json").read_text("utf-8"))
    for vector in golden:
        assert tokenizer.encode(vector["text"], add_special_tokens=False).ids == vector["ids"]
