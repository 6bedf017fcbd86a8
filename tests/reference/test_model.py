"""The PyTorch executor as a module to train and save: names, gradients, precision, cache. (Logits: tests/parity.)"""

from __future__ import annotations

import math

import pytest
import torch

from fathom.config import ModelConfig
from fathom.model.program import build_program
from fathom.reference import LatentCache, Model
from fathom.reference.ops import Call, Step, router
from parity.cases import CONFIGS, Case, case

torch.set_num_threads(1)


def model(case: Case) -> Model:
    out = Model(ModelConfig.from_dict(case.config), empty=True)
    out.load_state_dict(case.weights)
    return out


def tokens(case: Case, n: int = 40) -> torch.Tensor:
    return torch.from_numpy(case.tokens[:, :n])


def loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), targets[:, 1:].flatten())


def gradients(m: Model) -> dict[str, torch.Tensor]:
    """By official name: a model whose parameters are the gradients shows them in its state dict."""
    out = Model(m.config, empty=True)
    for p, q in zip(m.parameters(), out.parameters(), strict=True):
        q.data.copy_(p.grad)
    return {name: grad for name, grad in out.state_dict().items() if not name.endswith("correction_bias")}


@pytest.mark.parametrize("name", ["v2", "v3", "v2_tied"])
def test_gradients_equal_those_of_transformers(name, tmp_path):
    from transformers import AutoModelForCausalLM

    theirs = AutoModelForCausalLM.from_pretrained(case(name).save(tmp_path), dtype=torch.float32)
    ours, prompt = model(case(name)), tokens(case(name))
    loss(ours(prompt), prompt).backward()
    loss(theirs(prompt).logits, prompt).backward()
    official = {key: p.grad for key, p in theirs.named_parameters()}
    for key, grad in gradients(ours).items():
        want = official[key] if key in official else of_expert(official, key)
        assert (grad - want).abs().max() <= 1e-4 * want.abs().max() + 1e-8, key


def of_expert(fused: dict[str, torch.Tensor], key: str) -> torch.Tensor:
    stem, expert, matrix, _ = key.rsplit(".", 3)
    if matrix == "down_proj":
        return fused[f"{stem}.down_proj"][int(expert)]
    return fused[f"{stem}.gate_up_proj"][int(expert)].chunk(2)[matrix == "up_proj"]


def test_absorbed_and_expanded_attention_have_the_same_gradients():
    grads = []
    for form in ("absorbed", "expanded"):
        m, prompt = model(case("v2")), tokens(case("v2"))
        loss(m(prompt, form=form), prompt).backward()
        grads.append(gradients(m)["model.layers.0.self_attn.kv_b_proj.weight"])
    assert torch.allclose(*grads, rtol=1e-3, atol=1e-6)


def test_experts_are_stacked_parameters_but_official_tensors():
    m = model(case("v3"))
    parameters = dict(m.named_parameters())
    assert parameters["model.layers.1.mlp.experts.gate_proj"].shape == (16, 48, 128)
    assert "model.layers.1.mlp.gate.e_score_correction_bias" not in parameters  # no gradient moves it
    state = m.state_dict()
    assert set(state) == set(build_program(m.config).weights)
    state["model.layers.1.mlp.experts.7.down_proj.weight"].fill_(3.0)  # a view, as any entry of a state dict
    assert (parameters["model.layers.1.mlp.experts.down_proj"][7] == 3).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("model.layers.1.mlp.experts.7.up_proj.weight"), "Missing key"),
        (lambda w: w.update({"model.layers.1.mlp.experts.16.up_proj.weight": torch.zeros(48, 128)}), "Unexpected key"),
        (lambda w: w.update({"model.layers.1.mlp.experts.7.up_proj.weight": torch.zeros(48, 64)}), "7.up_proj"),
    ],
    ids=["missing", "unexpected", "shape"],
)
def test_a_wrong_state_dict_is_refused(change, message):
    weights = dict(case("v2").weights)
    change(weights)
    with pytest.raises(RuntimeError, match=message):
        Model(ModelConfig.from_dict(CONFIGS["v2"]), empty=True).load_state_dict(weights)


def test_a_fresh_model_is_initialised_and_learns():
    torch.manual_seed(0)
    m = Model(ModelConfig.from_dict(CONFIGS["v3"]))
    state = m.state_dict()
    assert state["lm_head.weight"].std() == pytest.approx(0.02, rel=0.05)
    assert state["model.layers.1.mlp.experts.3.up_proj.weight"].std() == pytest.approx(0.02, rel=0.05)
    assert state["model.norm.weight"].eq(1).all()
    prompt, optimizer, losses = tokens(case("v3")), torch.optim.AdamW(m.parameters(), lr=3e-3), []
    for _ in range(8):
        step = loss(m(prompt), prompt)
        optimizer.zero_grad()
        step.backward()
        optimizer.step()
        losses.append(step.item())
    assert losses[0] == pytest.approx(math.log(512), abs=0.2)
    assert losses[-1] < losses[0] - 0.5


def test_a_tied_embedding_is_one_parameter():
    m = model(case("v2_tied"))
    assert "lm_head.weight" not in m.state_dict()
    m(torch.tensor([[1]]))[0, 0, 2].backward()
    assert m.get_parameter("model.embed_tokens.weight").grad[[1, 2]].abs().amax(1).gt(0).all()  # as table and as head


def test_bfloat16_rounds_but_keeps_logits_and_routing_in_float32():
    exact, rounded = model(case("v3")), model(case("v3")).bfloat16()
    prompt, seen = tokens(case("v3"), 150), {}
    with torch.inference_mode():
        want, got = exact(prompt), rounded(prompt, capture=seen.__setitem__)
    assert got.dtype == seen["model.layers.1.mlp.gate"].dtype == torch.float32
    assert (
        seen["model.layers.1.mlp.experts"].dtype == seen["model.layers.0.self_attn.attention"].dtype == torch.bfloat16
    )
    assert (want.argmax(-1) == got.argmax(-1)).float().mean() > 0.85  # bfloat16 flips some experts


def test_autocast_trains_float32_masters():
    m, prompt = model(case("v2")), tokens(case("v2"))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss(m(prompt), prompt).backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in m.parameters())


def test_capture_sees_every_op_in_order():
    m, seen = model(case("v2")), []
    m(tokens(case("v2"), 3), capture=lambda name, output: seen.append((name, output.shape[-1])))
    assert seen == [(op.name, op.output.width) for op in m.program.ops]


def test_a_truncated_cache_continues_as_if_the_rest_had_never_been():
    m, prompt, cache = model(case("v2")), tokens(case("v2")), LatentCache()
    with torch.inference_mode():
        whole = m(prompt)
        m(prompt[:, :30], cache=cache)
        m(prompt[:, :5], cache=cache)
        cache.truncate(30)
        rest = m(prompt[:, 30:], cache=cache)
    assert cache.tokens == 40
    assert (rest - whole[:, 30:]).abs().max() < 1e-4


@pytest.mark.parametrize("method", ["greedy", "group_limited_greedy", "noaux_tc"])
def test_equal_scores_go_to_the_lower_expert(method):
    attrs = {"top_k": 4, "scoring": "softmax", "method": method, "n_group": 4, "topk_group": 2}
    call = Call(Step(None, None, None, LatentCache(), "expanded"), {**attrs, "norm_topk_prob": False, "scale": 1.0}, 1)
    bias = torch.zeros(16) if method == "noaux_tc" else None
    route = router(call, torch.ones(1, 2, 8), torch.zeros(16, 8), bias)
    assert route[..., :4].tolist() == [[[0, 1, 2, 3]] * 2]
    assert route[..., 4:].unique().item() == pytest.approx(1 / 16)
