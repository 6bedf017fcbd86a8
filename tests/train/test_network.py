"""The training pass against the reference executor, formulas and its plain twins."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

import tiny
from fathom.config import ModelConfig
from fathom.reference import Model
from fathom.reference.ops import OPS, Call, LatentCache, Step
from fathom.train.cpu import CPU_OPS
from fathom.train.network import _OPS, Micro, Network, _Block, experts

ROWS, LENGTH = 3, 16
N = ROWS * LENGTH


@pytest.fixture
def model() -> Model:
    torch.manual_seed(0)
    return Model(ModelConfig.from_dict(tiny.CONFIG))


def micro(tokens: torch.Tensor, document: torch.Tensor | None = None, position: torch.Tensor | None = None) -> Micro:
    n = tokens.numel()
    generator = torch.Generator().manual_seed(1)
    return Micro(
        tokens=tokens.view(1, -1),
        targets=torch.randint(0, tiny.VOCAB_SIZE, (n,), generator=generator),
        weight=torch.rand(n, generator=generator) * (torch.arange(n) % 3 > 0),
        position=torch.arange(LENGTH).repeat(n // LENGTH) if position is None else position,
        spans=torch.zeros(n, dtype=torch.int64) if document is None else document,
        length=LENGTH,
        share=1.0,
    )


def tokens(seed: int = 2) -> torch.Tensor:
    return torch.randint(20, tiny.VOCAB_SIZE, (ROWS, LENGTH), generator=torch.Generator().manual_seed(seed))


def test_loss_and_every_gradient_are_those_of_the_reference_executor(model: Model) -> None:
    part = micro(tokens())
    loss, balance, _ = Network(model, torch.float32, chunk=10).loss(part)  # the last chunk is a short one
    (loss + 0 * balance).backward()
    found = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    logits = model(tokens()).view(N, -1)
    expected = (F.cross_entropy(logits, part.targets, reduction="none") * part.weight).sum()
    expected.backward()
    torch.testing.assert_close(loss, expected)
    for name, p in model.named_parameters():
        torch.testing.assert_close(found[name], p.grad, rtol=1e-4, atol=1e-5)


def test_a_document_does_not_see_its_neighbours(model: Model) -> None:
    network = Network(model, torch.float32)
    cut = 7  # the second document of the first row starts here
    document = torch.zeros(ROWS, LENGTH, dtype=torch.int64)
    document[:, cut:] = 1
    position = torch.cat([torch.arange(cut), torch.arange(LENGTH - cut)]).repeat(ROWS)
    one, other = tokens(), tokens()
    other[0, :cut] = tokens(9)[0, :cut]
    a, b = (network.hidden(t.view(1, -1), position, document.flatten(), LENGTH)[0] for t in (one, other))
    torch.testing.assert_close(a[cut:], b[cut:], rtol=0, atol=1e-5)  # products round by how rows are cut among threads
    assert not torch.equal(a[:cut], b[:cut])
    alone = model.config.hidden_size
    row = one[:1, cut:]
    h = network.hidden(row, torch.arange(row.shape[1]), torch.zeros(row.shape[1]), row.shape[1])[0]
    assert h.shape == (LENGTH - cut, alone)
    torch.testing.assert_close(a[cut:LENGTH], h, rtol=1e-4, atol=1e-5)


def test_values_narrower_or_wider_than_keys_attend_alike() -> None:
    for v in (8, 48):
        torch.manual_seed(0)
        net = Model(ModelConfig.from_dict({**tiny.CONFIG, "v_head_dim": v}))
        h = Network(net, torch.float32).hidden(tokens().view(1, -1), micro(tokens()).position, torch.zeros(N), LENGTH)[
            0
        ]
        expected = net(tokens()).view(N, -1)
        torch.testing.assert_close(F.linear(h, net.weights(net.program.ops[-1])[0]), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("width", [32, 30])  # 30: rows no multiple of 16 bytes, the plain twin answers
@pytest.mark.parametrize("grouped", [experts, CPU_OPS["experts"]])
def test_grouped_experts_equal_a_loop_over_them_with_an_empty_one(
    grouped: Callable[..., torch.Tensor], width: int
) -> None:
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(1, 24, 16, generator=generator)
    ids = torch.stack([torch.randperm(3, generator=generator)[:2] for _ in range(24)])  # of 4: the last gets nothing
    weight, x = torch.rand(24, 2, generator=generator).requires_grad_(), x.requires_grad_()
    route = torch.cat([ids.float(), weight], dim=-1)[None]
    shapes = [(4, width, 16), (4, width, 16), (4, 16, width)]
    stacked = [(torch.randn(shape, generator=generator) / 4).requires_grad_() for shape in shapes]
    call = Call(Step(ids, ids, ids, LatentCache(), "expanded"), {}, 1)
    results = []
    for op in (grouped, OPS["experts"]):
        y = op(call, x, route, *stacked)
        results.append([y, *torch.autograd.grad(y.square().sum(), [*stacked, x, weight])])
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert not results[0][1][3].any()


def test_the_balance_loss_is_the_formula_and_leaves_the_loss_alone(model: Model) -> None:
    part = micro(tokens())
    network = Network(model, torch.float32)
    loss, balance, loads = network.loss(part)
    seen: dict[str, torch.Tensor] = {}
    model(tokens(), capture=lambda name, value: seen.update({name: value}))
    name = "model.layers.1.mlp.gate"
    h, ids = seen["model.layers.1.post_attention_layernorm"], seen[name][..., :2].long()
    scores = (h @ dict(model.named_parameters())[f"{name}.weight"].T).softmax(-1)
    often = F.one_hot(ids, 4).sum((1, 2)) * 4 / (2 * LENGTH)
    torch.testing.assert_close(balance, (often * scores.mean(1)).sum(-1).mean())
    torch.testing.assert_close(loads[0], often.float().mean(0))
    torch.testing.assert_close(loss, network.loss(part)[0])


def test_bfloat16_products_keep_float32_masters(model: Model) -> None:
    part = micro(tokens())
    exact = Network(model, torch.float32).loss(part)[0]
    loss, balance, _ = Network(model, torch.bfloat16).loss(part)
    (loss + balance).backward()
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, exact, rtol=1e-2, atol=0)
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in model.parameters())


@pytest.mark.slow
def test_compiled_blocks_have_no_graph_break_and_the_same_loss(model: Model) -> None:
    part = micro(tokens())
    plain, fast = (Network(model, torch.bfloat16, compiled=c) for c in (False, True))
    torch.testing.assert_close(fast.loss(part)[0], plain.loss(part)[0], rtol=1e-2, atol=0)
    weights = fast._blocks[1][1]
    block = _Block(plain._blocks[1][0].ops, model.program.buffers, torch.bfloat16, _OPS)
    x = torch.randn(1, N, model.config.hidden_size).bfloat16()
    turns = torch.rand(N, model.config.qk_rope_head_dim // 2)
    mask = torch.ones(ROWS, 1, LENGTH, LENGTH, dtype=torch.bool).tril()
    told = torch._dynamo.explain(block)(x, weights, turns, turns, mask, LENGTH)
    assert (told.graph_count, told.graph_break_count) == (1, 0)
