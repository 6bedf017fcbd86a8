import json

import numpy as np
import pytest

from fathom.data.tokens import TokenSet, load_sets, write_set
from fathom.errors import FathomError

DOCUMENTS = [np.array([1, 2, 3]), np.array([4, 5]), np.array([499, 0, 0, 7])]


@pytest.fixture
def folder(tmp_path):
    loss = [np.arange(len(d)) % 2 == 1 for d in DOCUMENTS]
    write_set(tmp_path / "a", "a", zip(DOCUMENTS, loss, strict=True), vocabulary=500, tokenizer="t", text_bytes=9)
    return tmp_path / "a"


def test_documents_come_back_as_they_went_in(folder) -> None:
    one = TokenSet(folder)
    ranges = list(zip(one.offsets[:-1], one.offsets[1:], strict=True))
    assert [one.tokens[a:b].tolist() for a, b in ranges] == [d.tolist() for d in DOCUMENTS]
    assert [one.loss[a:b].tolist() for a, b in ranges] == [[0, 1, 0], [0, 1], [0, 1, 0, 1]]
    assert (len(one), one.documents, one.name, one.tokenizer, one.meta["bytes"]) == (9, 3, "a", "t", 9)
    one.check()


@pytest.mark.parametrize(("vocabulary", "size"), [(65536, 2), (65537, 4)])
def test_ids_take_two_bytes_as_long_as_they_fit(tmp_path, vocabulary, size) -> None:
    ids = np.array([0, vocabulary - 1])
    one = write_set(tmp_path / "a", "a", [(ids, None)], vocabulary=vocabulary, tokenizer="t")
    assert one.tokens.dtype.itemsize == size
    assert one.tokens.tolist() == ids.tolist()
    assert one.loss is None


def test_one_other_token_or_answer_is_another_hash(folder, tmp_path) -> None:
    hashes = {TokenSet(folder).hash}
    for change in (0, 1):
        documents = [(d.copy(), np.arange(len(d)) % 2 == 1) for d in DOCUMENTS]
        documents[2][change][3] = change == 0
        one = write_set(tmp_path / f"b{change}", "a", documents, vocabulary=500, tokenizer="t")
        hashes.add(one.hash)
    assert len(hashes) == 3


@pytest.mark.parametrize(
    ("documents", "problem"),
    [
        ([], "no document"),
        ([(np.array([1]), None)], "document 1"),
        ([(np.array([1, 500]), None)], "document 1"),
        ([(np.array([1, 2]), None), (np.array([1, -1]), None)], "document 2"),
    ],
)
def test_what_cannot_be_learnt_is_refused(tmp_path, documents, problem) -> None:
    with pytest.raises(FathomError, match=problem):
        write_set(tmp_path / "x", "x", documents, vocabulary=500, tokenizer="t")


def meta(change):
    def apply(folder):
        path = folder / "meta.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | change))

    return apply


@pytest.mark.parametrize(
    "damage",
    [
        lambda f: (f / "meta.json").write_text("{"),
        lambda f: (f / "meta.json").write_text("[]"),
        lambda f: (f / "meta.json").unlink(),
        lambda f: (f / "tokens.bin").unlink(),
        lambda f: (f / "tokens.bin").write_bytes(b""),
        lambda f: (f / "tokens.bin").write_bytes((f / "tokens.bin").read_bytes()[:-2]),
        lambda f: (f / "tokens.bin").write_bytes((f / "tokens.bin").read_bytes() + b"\0"),
        lambda f: (f / "loss.bin").write_bytes((f / "loss.bin").read_bytes()[:-1]),
        lambda f: (f / "offsets.npy").write_bytes(b"no array"),
        lambda f: np.save(f / "offsets.npy", np.array([0, 5, 3, 9])),
        lambda f: np.save(f / "offsets.npy", np.array([0, 3, 4, 9])),
        lambda f: np.save(f / "offsets.npy", np.array([0, 3, 5, 8])),
        lambda f: np.save(f / "offsets.npy", np.array([0.0, 3, 5, 9])),
        lambda f: np.save(f / "offsets.npy", np.array({"a": 1}, object), allow_pickle=True),
        meta({"dtype": "O"}),
        meta({"dtype": "no such"}),
        meta({"dtype": "<u8"}),
    ],
)
def test_a_damaged_set_is_refused_with_its_path(folder, damage) -> None:
    damage(folder)
    with pytest.raises(FathomError, match=str(folder)):
        TokenSet(folder)


def test_a_changed_token_is_found_by_check(folder) -> None:
    data = bytearray((folder / "tokens.bin").read_bytes())
    data[0] ^= 1
    (folder / "tokens.bin").write_bytes(data)
    with pytest.raises(FathomError, match="hash"):
        TokenSet(folder).check()


def test_sets_of_two_tokenizers_and_no_sets_at_all_are_refused(folder) -> None:
    with pytest.raises(FathomError, match="no token sets"):
        load_sets(folder)
    write_set(folder.parent / "b", "b", [(DOCUMENTS[0], None)], vocabulary=500, tokenizer="other")
    with pytest.raises(FathomError, match="different tokenizers"):
        load_sets(folder.parent)
