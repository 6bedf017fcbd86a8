"""Bits per byte: every byte of the file counts, and the nats are those of the logits."""

from __future__ import annotations

import lzma
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tiny
from fathom import LLM
from fathom.errors import FathomError
from fathom.eval import bpb
from fathom.eval.bpb import bits_per_byte, encoded

TEXT = "The ferry leaves at nine.\n\n下一班渡轮十点开。Tickets: 12 元.\r\n\tEnd of line \U0001f600" * 4


@pytest.fixture(scope="module")
def llm() -> LLM:
    return LLM(max_context=128)


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "text.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def nats(logits: np.ndarray, ids: list[int]) -> float:
    rows = logits[:-1].astype(np.float64)
    rows -= rows.max(1, keepdims=True)
    return float((np.log(np.exp(rows).sum(1)) - rows[np.arange(len(rows)), ids[1:]]).sum())


@pytest.mark.parametrize("context", [None, 5, 40])
def test_it_is_the_cross_entropy_of_the_logits_window_by_window(llm: LLM, tmp_path: Path, context: int | None) -> None:
    found = bits_per_byte(llm, written(tmp_path, TEXT), context=context)
    ids, length = llm.tokenizer.encode(TEXT), (context or 128) - 1
    windows = [[llm.tokenizer.bos_id or 0, *ids[at : at + length]] for at in range(0, len(ids), length)]
    total = sum(nats(llm.logits(window), window) for window in windows)
    assert found.bits_per_byte == pytest.approx(total / math.log(2) / len(TEXT.encode()), rel=1e-6)
    assert (found.tokens, found.windows, found.context) == (len(ids), len(windows), length + 1)
    assert (found.bytes, found.xz) == (
        len(TEXT.encode()),
        8 * len(lzma.compress(TEXT.encode(), preset=9)) / found.bytes,
    )


def test_it_agrees_with_the_reference_in_pytorch(llm: LLM, tmp_path: Path) -> None:
    import torch

    from fathom.reference import load_model

    text = TEXT[:80]
    ids = [llm.tokenizer.bos_id or 0, *llm.tokenizer.encode(text)]
    with torch.no_grad():
        logits = load_model("mini")(torch.tensor([ids]))[0].numpy()
    expected = nats(logits, ids) / math.log(2) / len(text.encode())
    found = bits_per_byte(llm, written(tmp_path, text)).bits_per_byte
    assert found == pytest.approx(expected, rel=5e-3)  # activations are int8 beside packed weights


def test_control_tokens_spelled_out_are_text(llm: LLM, tmp_path: Path) -> None:
    text = f"a{llm.tokenizer.controls[llm.tokenizer.eos_ids[0]]}b"
    found = bits_per_byte(llm, written(tmp_path, text))
    assert found.tokens == len(llm.tokenizer.encode(text)) > 3


@given(text=st.text(alphabet=st.sampled_from("ab1 \n\r\t.!。中\u2028\u0301\U0001f600"), max_size=80))
def test_pieces_are_the_whole_and_keep_every_byte(llm: LLM, text: str) -> None:
    raw = text.encode()
    blocks = [raw[at : at + 5] for at in range(0, len(raw), 5)]  # which cut characters, too
    assert [i for piece in encoded(llm.tokenizer, blocks) for i in piece] == llm.tokenizer.encode(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bpb, "LONGEST", 7)
        ids = [i for piece in encoded(llm.tokenizer, blocks) for i in piece]
    assert b"".join(map(llm.tokenizer.token_bytes, ids)) == raw


def test_progress_goes_to_the_last_byte(llm: LLM, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    found = bits_per_byte(llm, written(tmp_path, TEXT), context=8, report=lambda *at: seen.append(at))
    assert len(seen) == math.ceil(found.windows / bpb.SIDE_BY_SIDE)
    assert seen == sorted(seen)
    assert seen[-1] == (found.bytes, found.bytes)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "it is empty"),
        (b"fine \xff", r"not valid UTF-8 \(byte 5\)"),
        (b"cut \xe4\xb8", r"not valid UTF-8 \(byte 4\)"),
        ("a".encode("utf-16"), r"not valid UTF-8 \(byte 0\)"),
    ],
)
def test_what_is_no_text_is_refused(llm: LLM, tmp_path: Path, content: bytes, problem: str) -> None:
    with pytest.raises(FathomError, match=problem):
        bits_per_byte(llm, written(tmp_path, content))


def test_the_place_of_a_bad_byte_is_that_in_the_file(llm: LLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bpb, "BLOCK", 4)
    with pytest.raises(FathomError, match="byte 9"):
        bits_per_byte(llm, written(tmp_path, "中中中".encode() + b"\xff"))
    with pytest.raises(FathomError, match="byte 3"):
        bits_per_byte(llm, written(tmp_path, b"abc\xe4abc"))


def test_what_is_no_file_is_refused(llm: LLM, tmp_path: Path) -> None:
    for path, problem in ((tmp_path, "no regular file"), (tmp_path / "none", "No such file")):
        with pytest.raises(FathomError, match=problem):
            bits_per_byte(llm, path)
    for context in (0, 1, 129):
        with pytest.raises(FathomError, match=r"2\.\.128"):
            bits_per_byte(llm, written(tmp_path, "a"), context=context)


def test_a_model_without_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FathomError, match="no tokenizer"):
        bits_per_byte(LLM(tiny.write_checkpoint(tmp_path / "model", with_text=False)), written(tmp_path, "a"))


def test_nothing_heavy_is_imported() -> None:
    import subprocess

    code = "import sys, fathom.eval.bpb; print({'torch', 'sacrebleu', 'lm_eval', 'rich'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
