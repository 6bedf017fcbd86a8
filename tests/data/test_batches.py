from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.data.batches import Batches, Phase
from fathom.data.packing import pack
from fathom.data.tokens import load_sets, write_set
from fathom.errors import FathomError


def document(rng, n):
    return rng.integers(0, 500, n), rng.random(n) < 0.5


@pytest.fixture
def sets(tmp_path):
    rng = np.random.default_rng(1)
    for name, count, longest in (("text", 40, 90), ("chat", 30, 25)):
        write_set(
            tmp_path / "sets" / name,
            name,
            [document(rng, int(n)) for n in rng.integers(2, longest, count)],
            vocabulary=500,
            tokenizer="t",
        )
    return load_sets(tmp_path / "sets")


PHASES = [Phase({"text": 3, "chat": 1}, 32, 8), Phase({"chat": 1}, 16, 4, assistant_only=True)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(2, 70), min_size=1, max_size=40), st.integers(1, 33))
def test_packing_predicts_every_token_exactly_once_and_never_overfills_a_row(sizes, length) -> None:
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    plan = pack(offsets, length)
    predicted = np.concatenate([np.arange(s, s + n) + 1 for s, n in zip(plan.start, plan.length, strict=True)])
    firsts = offsets[:-1]  # nothing predicts the first token of a document
    assert sorted(predicted) == sorted(set(range(offsets[-1])) - set(firsts.tolist()))
    for row in range(len(plan)):
        assert 0 < plan.length[plan.rows[row] : plan.rows[row + 1]].sum() <= length


def test_an_epoch_of_batches_shows_every_token_once(sets) -> None:
    batches = Batches(sets, [Phase({"text": 1}, 32, 1)])
    seen = []
    for step in range(len(batches.plan("text", 32))):
        batch = batches.batch(0, step)
        seen += batch.targets[batch.loss].tolist()
    tokens = np.delete(sets["text"].tokens, sets["text"].offsets[:-1])
    assert sorted(seen) == sorted(tokens.tolist())


def test_a_target_follows_its_input_within_the_same_document(sets) -> None:
    batch = Batches(sets, PHASES).batch(0, 3)
    inside = batch.loss[:, :-1] & (batch.document[:, 1:] == batch.document[:, :-1])
    assert (batch.targets[:, :-1][inside] == batch.inputs[:, 1:][inside]).all()
    starts = batch.position == 0
    assert (starts[:, 1:] == (np.diff(batch.document) == 1)).all()
    assert starts[:, 0].all()


def test_assistant_only_learns_where_the_mask_of_the_set_says(sets) -> None:
    batches = Batches(sets, PHASES)
    plan, chat = batches.plan("chat", 16), sets["chat"]
    wanted = sum(int(chat.loss[s + 1 : s + n + 1].sum()) for s, n in zip(plan.start, plan.length, strict=True))
    steps = -(-len(plan) // 4) * 4
    assert sum(int(batches.batch(1, s).loss.sum()) for s in range(steps)) * len(plan) == wanted * steps * 4


@pytest.mark.parametrize("world", [2, 4, 8])
def test_the_global_batch_is_the_same_for_every_number_of_processes(sets, world) -> None:
    whole = Batches(sets, PHASES, seed=5).batch(0, 7)
    parts = [Batches(sets, PHASES, seed=5).batch(0, 7, rank, world) for rank in range(world)]
    for name in ("inputs", "targets", "loss", "document", "position"):
        assert (np.concatenate([getattr(p, name) for p in parts]) == getattr(whole, name)).all()


def test_a_batch_depends_on_nothing_but_data_seed_phase_and_step(sets) -> None:
    one, two = Batches(sets, PHASES, seed=1), Batches(sets, PHASES, seed=1)
    for step in (5, 0, 3):
        assert (one.batch(0, step).inputs == two.batch(0, step).inputs).all()
    assert one.hash == two.hash != Batches(sets, PHASES, seed=2).hash
    assert (one.batch(0, 0).inputs != Batches(sets, PHASES, seed=2).batch(0, 0).inputs).any()


def test_shares_hold_over_any_stretch(sets) -> None:
    batches = Batches(sets, [Phase({"text": 0.7, "chat": 0.3}, 32, 50)])
    for step in (0, 11, 1400):
        names = [name for name, _ in batches._rows(0, step)]
        assert abs(names.count("text") - 35) <= 2


def test_repeats_over_the_limit_are_refused_with_the_name_of_the_set(sets) -> None:
    batches = Batches(sets, PHASES)
    rows = len(batches.plan("text", 32))
    assert batches.repeats([rows, 0])["text"] == pytest.approx(6)
    batches.refuse_repeats([rows, 0], 30)
    with pytest.raises(FathomError, match=r"text 6\.0"):
        batches.refuse_repeats([rows, 0], 5.9)
