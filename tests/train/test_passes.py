"""Passes side by side: the same gradients as one after the other, and the same bits each time."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import tiny_run
from fathom.train.feed import Feed
from fathom.train.loop import Trainer
from fathom.train.network import Micro
from fathom.train.passes import Passes


@pytest.fixture
def trainer(tmp_path: Path) -> Trainer:
    return tiny_run.trainer(tiny_run.write_recipe(tmp_path, steps=1), "run", **{"run.micro_tokens": tiny_run.LENGTH})


@pytest.fixture
def micros(trainer: Trainer) -> list[Micro]:
    feed = Feed(trainer.batches, tiny_run.LENGTH, torch.device("cpu"), ends=False)
    found = feed.step(0, 0)
    feed.close()
    assert len(found) == 4
    return found


def gradients(trainer: Trainer, micros: list[Micro], lanes: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
    trainer.optimizer.clear()
    passes = Passes(lanes)
    passed = passes(trainer.plain, micros, 0.01)
    passes.close()
    grads = [p.grad.clone() for p in trainer.model.parameters() if p.grad is not None]
    return torch.stack([loss for loss, _, _ in passed]), grads


@pytest.mark.parametrize("lanes", [2, 3, 4])
def test_micro_batches_side_by_side_give_the_losses_and_gradients_of_one_after_the_other(
    trainer: Trainer, micros: list[Micro], lanes: int
) -> None:
    losses, grads = gradients(trainer, micros, 1)
    found = gradients(trainer, micros, lanes)
    assert torch.allclose(found[0], losses, atol=1e-6)
    assert len(found[1]) == len(grads) > 10
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(found[1], grads, strict=True))
    assert not torch.allclose(gradients(trainer, micros[:-1], lanes)[1][0], grads[0], atol=1e-6)


def test_the_same_lanes_give_the_same_bits(trainer: Trainer, micros: list[Micro]) -> None:
    once, again = (gradients(trainer, micros, 3)[1] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))


def test_what_fails_in_a_lane_is_raised(trainer: Trainer, micros: list[Micro]) -> None:
    passes = Passes(2)
    with pytest.raises(AttributeError):
        passes(trainer.plain, [*micros, None], 0.01)  # type: ignore[list-item]
    passes.close()
