"""Text <-> ids: golden vectors, user text that can't reach a control id, exact bytes, the library as second opinion."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Library

import tiny
from fathom.errors import FathomError
from fathom.text.tokenizer import Tokenizer

BITS_OF_MARKUP = [
    "<",
    "｜",
    "|",
    ">",
    "User",
    "Assistant",
    "▁",
    "end",
    "think",
    "/",
    " ",
    "ö",
    "\n",
    *tiny.CONTROLS,
    *tiny.THINK,
]
texts = st.text() | st.lists(st.sampled_from(BITS_OF_MARKUP) | st.text(max_size=3)).map("".join)


@given(texts)
def test_user_text_never_becomes_a_control_token_and_comes_back_unchanged(text: str) -> None:
    tokenizer = tiny.tokenizer()
    ids = tokenizer.encode(text)
    assert not set(ids) & set(tokenizer.controls)
    assert tokenizer.decode(ids, skip_special=False) == text
    assert b"".join(map(tokenizer.token_bytes, ids)) == text.encode()


@given(texts)
def test_template_text_is_encoded_as_the_library_does(text: str) -> None:
    library = Library.from_str(tiny.spec())
    assert tiny.tokenizer().encode(text, allow_special=True) == library.encode(text, add_special_tokens=False).ids


def test_the_46_golden_vectors_of_the_v2_vocabulary(shared: Path) -> None:
    tokenizer = Tokenizer.load(shared / "vocab")
    vectors = json.loads((shared / "vocab/golden.json").read_text("utf-8"))
    assert len(vectors) == 46
    for vector in vectors:
        assert tokenizer.encode(vector["text"]) == vector["ids"]
        assert tokenizer.decode(vector["ids"]) == vector["text"]  # the 13 swallowed letters too
    assert tokenizer.encode("Äpfel") == [82077, 26723, 282]
    assert tokenizer.encode("User: 你好\n\nAssistant:") == [5726, 25, 207, 84313, 185, 185, 77398, 25]
    assert tokenizer.encode("The quick brown fox 12345") == [549, 3399, 10176, 32431, 207, 16, 17, 18, 19, 20]
    assert tokenizer.decode([8913, 11, 254, 3787, 280, 2156, 285, 2126, 13]) == " Paris, the city of light and love."


def test_the_thirteen_letters_of_deepseek_llm_are_vocabulary(shared: Path) -> None:
    tokenizer = Tokenizer.load(shared / "vocab")
    assert set(tokenizer.controls) == {100000, 100001}
    letters = "øöúÿõ÷ûýÀùÁþü"
    assert tokenizer.encode(letters) == list(range(100002, 100015))
    assert tokenizer.decode(range(100002, 100015)) == letters


def test_what_counts_as_a_control_token() -> None:
    tokenizer = tiny.tokenizer()
    assert set(tokenizer.controls) == set(range(16)), "special ones and markup, not the byte symbol"
    raw = json.loads(tiny.spec())
    raw["added_tokens"][0]["special"] = False
    raw["added_tokens"][0]["content"] = "begin"  # neither special nor markup, but named
    assert 0 in Tokenizer(json.dumps(raw), {"bos_token": "begin"}).controls


def test_a_control_token_that_the_vocabulary_repeats_stays_out_of_reach() -> None:
    raw = json.loads(tiny.spec())
    raw["model"]["ignore_merges"] = True  # a whole piece that is in the vocabulary would be taken as it is
    raw["model"]["vocab"]["<image>"] = 390
    raw["added_tokens"].append({**raw["added_tokens"][0], "id": 390, "content": "<image>"})
    tokenizer = Tokenizer(json.dumps(raw))
    assert tokenizer.encode("<image>", allow_special=True) == [390]
    assert 390 not in tokenizer.encode("<image>")
    assert tokenizer.decode(tokenizer.encode("<image>")) == "<image>"


def test_the_longest_of_overlapping_control_tokens_wins_and_blanks_beside_it_are_taken() -> None:
    raw = json.loads(tiny.spec())
    like = raw["added_tokens"][0]
    raw["added_tokens"] += [
        {**like, "id": 390, "content": "<a>"},
        {**like, "id": 391, "content": "<a><b>", "lstrip": True, "rstrip": True},
    ]
    tokenizer = Tokenizer(json.dumps(raw))
    t = tokenizer.encode("t")
    assert tokenizer.encode("t <a><b>\n t<a>", allow_special=True) == [*t, 391, *t, 390]


def test_bos_stands_before_a_text_once_and_only_on_request() -> None:
    tokenizer = tiny.tokenizer()
    assert tokenizer.encode("the") == tokenizer.encode("the", add_bos=True)[1:]
    assert tokenizer.encode("", add_bos=True) == [tokenizer.bos_id] == [0]
    assert Tokenizer(tiny.spec(), {**tiny.NAMES, "add_bos_token": False}).prefix == ()
    assert Tokenizer(tiny.spec()).prefix == ()


def test_the_post_processors_template_says_what_stands_before_a_text() -> None:
    raw = json.loads(tiny.spec())
    marks = {name: {"id": name, "ids": [i], "tokens": [name]} for i, name in enumerate(tiny.CONTROLS[:3])}
    single = [{"SpecialToken": {"id": name, "type_id": 0}} for name in tiny.CONTROLS[1:3]]
    step = {"type": "TemplateProcessing", "single": [*single, {"Sequence": {"id": "A", "type_id": 0}}]}
    raw["post_processor"] = {
        "type": "Sequence",
        "processors": [{"type": "ByteLevel"}, step | {"special_tokens": marks}],
    }
    assert Tokenizer(json.dumps(raw), tiny.NAMES).encode("", add_bos=True) == [1, 2]


def test_end_tokens_come_from_both_configurations(tmp_path: Path) -> None:
    folder = tiny.write_checkpoint(tmp_path)
    (folder / "generation_config.json").write_text('{"eos_token_id": [4, 1]}')
    assert Tokenizer.load(folder).eos_ids == (1, 4)


def test_padding_and_foreign_ids_have_no_bytes() -> None:
    tokenizer = tiny.tokenizer()
    assert [tokenizer.token_bytes(i) for i in (tiny.VOCAB_SIZE - 1, 10**6, -1)] == [b"", b"", b""]
    assert tokenizer.token_bytes(3) == "<｜User｜>".encode()


def test_decoding_leaves_control_tokens_out_and_marks_broken_characters() -> None:
    tokenizer = tiny.tokenizer()
    first_byte = next(i for i in range(tokenizer.vocab_size) if tokenizer.token_bytes(i) == b"\xe5")
    assert tokenizer.decode([0, *tokenizer.encode("the"), 1]) == "the"
    assert tokenizer.decode([0], skip_special=False) == tiny.CONTROLS[0]
    assert tokenizer.decode([14]) == "<think>", "not flagged special: part of the text"
    assert tokenizer.decode([first_byte, *tokenizer.encode("t")]) == "\ufffdt"


def test_files_by_name_as_a_gguf_gives_them() -> None:
    files = {"tokenizer.json": tiny.spec(), "tokenizer_config.json": json.dumps(tiny.NAMES)}
    assert Tokenizer.load(files).encode("the cat", add_bos=True) == tiny.tokenizer().encode("the cat", add_bos=True)


@pytest.mark.parametrize(
    ("files", "code", "says"),
    [
        ({}, "no_tokenizer", "no tokenizer"),
        ({"tokenizer.json": "{"}, "file_malformed", "JSON"),
        ({"tokenizer.json": "[]"}, "file_malformed", "object"),
        ({"tokenizer.json": '{"model": {"type": "BPE", "vocab": {}}}'}, "file_malformed", "no BPE model"),
        (
            {"tokenizer.json": '{"model": {"vocab": {}, "merges": ["a"]}, "decoder": {"type": "ByteLevel"}}'},
            "file_malformed",
            "tokenizer.json",
        ),
        ({"tokenizer.json": '{"model": {"vocab": {}, "merges": []}}'}, "format_unsupported", "ByteLevel"),
        ({"tokenizer.json": "{}", "tokenizer_config.json": "3"}, "file_malformed", "tokenizer_config.json"),
    ],
)
def test_unusable_files_are_named(files: dict[str, str], code: str, says: str) -> None:
    with pytest.raises(FathomError, match=re.escape(says)) as caught:
        Tokenizer.load(files)
    assert caught.value.code == code


def test_a_file_that_is_no_utf8_and_a_text_that_is_no_unicode(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes(b'{"\xff')
    with pytest.raises(FathomError, match="byte 2"):
        Tokenizer.load(tmp_path)
    with pytest.raises(FathomError, match="byte 3") as caught:
        tiny.tokenizer().encode("好\ud800")
    assert caught.value.code == "encoding"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("added_tokens", 3),
        ("added_tokens", [3]),
        ("added_tokens", [{"id": "x", "content": "<a>"}]),
        ("added_tokens", [{"id": 1}]),
        ("decoder", 3),
        ("post_processor", 3),
        ("post_processor", {"type": "TemplateProcessing", "single": [{"SpecialToken": 3}]}),
        ("model", {"type": "BPE", "vocab": {"a": "x"}, "merges": []}),
        ("model", {"type": "BPE", "vocab": {"a": 0}, "merges": [3]}),
    ],
)
def test_a_malformed_tokenizer_is_a_named_error(key, value) -> None:
    with pytest.raises(FathomError) as e:
        Tokenizer(json.dumps(json.loads(tiny.spec()) | {key: value}), {})
    assert e.value.code in ("file_malformed", "format_unsupported")
