"""Held-out loss and answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import tiny
from fathom.config import ModelConfig
from fathom.reference import Model
from fathom.train.check import answers, bits_per_byte
from fathom.train.network import Network


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    return Network(Model(ModelConfig.from_dict(tiny.CONFIG)), torch.float32, chunk=7)


def test_every_token_of_a_text_is_predicted_once(network: Network) -> None:
    text = np.arange(30, 50)
    found = bits_per_byte(network, [np.array([0, *text, 1])], 40, 9, [0, 1])
    expected = 0.0
    for part in (text[:8], text[8:16], text[16:]):
        logits = network.model(torch.tensor([[0, *part[:-1]]]))[0]
        expected += F.cross_entropy(logits, torch.tensor(part), reduction="sum").item()
    assert found == pytest.approx(expected / math.log(2) / 40, rel=1e-5)


def test_answers_do_not_depend_on_the_prompts_beside_them_and_end_at_a_stop(network: Network) -> None:
    prompts = [[0, 30, 31], [0, 40]]
    both = answers(network, prompts, 6, [1], temperature=0.0, seed=1)
    assert both == [answers(network, [p], 6, [1], temperature=0.0, seed=1)[0] for p in prompts]
    first = both[0][2]
    assert answers(network, prompts, 6, [first], temperature=0.0, seed=1)[0] == both[0][: both[0].index(first)]
    drawn = [answers(network, prompts, 6, [1], temperature=1.0, seed=s) for s in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(len(answer) <= 6 for answer in both)
