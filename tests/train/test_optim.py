"""Muon and AdamW."""

from __future__ import annotations

import math

import torch
from torch import nn

import tiny
from fathom.config import ModelConfig
from fathom.reference import Model
from fathom.train.optim import Optimizer, is_hidden_matrix, orthogonalise


def test_singular_values_come_close_to_one_in_both_shapes() -> None:
    generator = torch.Generator().manual_seed(0)
    for shape in ((3, 48, 16), (3, 16, 48)):
        values = torch.linalg.svdvals(orthogonalise(torch.randn(shape, generator=generator)))
        assert 0.5 < float(values.min()) <= float(values.max()) < 1.4


def test_a_stack_of_experts_is_stepped_as_its_matrices_one_by_one() -> None:
    generator = torch.Generator().manual_seed(1)
    stack, grads = torch.randn(3, 24, 8, generator=generator), torch.randn(2, 3, 24, 8, generator=generator)

    def stepped(parts: dict[str, torch.Tensor], pick: list[slice | int]) -> dict[str, torch.Tensor]:
        holder = nn.Module()
        holder.register_parameter("norm", nn.Parameter(torch.ones(4)))
        for name, value in parts.items():
            holder.register_parameter(name, nn.Parameter(value.clone()))
        optimizer = Optimizer(holder, "muon", 0.1, 0.95)
        for grad in grads:
            for p, index in zip(list(holder.parameters())[1:], pick, strict=True):
                p.grad = grad[index].clone()
            optimizer.step(0.01)
        return {name: p.detach() for name, p in holder.named_parameters()}

    together = stepped({"stack": stack}, [slice(None)])["stack"]
    apart = stepped({f"e{i}": stack[i] for i in range(3)}, [0, 1, 2])
    for i in range(3):
        torch.testing.assert_close(together[i], apart[f"e{i}"], rtol=0, atol=1e-6)


def test_an_update_has_the_size_of_moonlights_and_decays() -> None:
    p = nn.Module()
    p.register_parameter("norm", nn.Parameter(torch.ones(4)))
    p.register_parameter("w", nn.Parameter(torch.ones(64, 16)))
    optimizer = Optimizer(p, "muon", 0.5, 0.0)
    p.w.grad = torch.randn(64, 16, generator=torch.Generator().manual_seed(2))
    expected = 1 - 0.01 * 0.5 - 0.01 * 0.2 * math.sqrt(64) * orthogonalise(p.w.grad[None])[0]
    optimizer.step(0.01)
    torch.testing.assert_close(p.w.detach(), expected)


def test_embedding_head_router_and_norms_are_not_muons() -> None:
    model = Model(ModelConfig.from_dict(tiny.CONFIG))
    outer = {name for name, p in model.named_parameters() if not is_hidden_matrix(name, p)}
    assert {"model.embed_tokens.weight", "lm_head.weight", "model.layers.1.mlp.gate.weight"} <= outer
    assert all(
        "norm" in name or name.endswith(("embed_tokens.weight", "lm_head.weight", "gate.weight")) for name in outer
    )


def test_state_goes_out_and_back() -> None:
    def make() -> tuple[Model, Optimizer]:
        torch.manual_seed(0)
        model = Model(ModelConfig.from_dict(tiny.CONFIG))
        return model, Optimizer(model, "muon", 0.1, 0.95)

    def step(model: Model, optimizer: Optimizer, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        for p in model.parameters():
            p.grad = torch.randn(p.shape, generator=generator)
        optimizer.clip(1.0)
        optimizer.step(0.01)

    whole, other = make(), make()
    step(*whole, 1)
    kept = {name: tensor.clone() for name, tensor in whole[1].state().items()}
    other[0].load_state_dict(whole[0].state_dict())
    other[1].restore(kept)
    for pair in (whole, other):
        step(*pair, 2)
    assert all(torch.equal(a, b) for a, b in zip(whole[0].parameters(), other[0].parameters(), strict=True))
