"""One test for each known way to get the logits of this family almost right; the numbers are those of docs.

Settings: flipping one moves the logits, so the parity tests would notice. Wrong readings of the formulas: each is a
subclass of the right ones and lies far from what both executors compute. (Traps of vision models, tokenizers and chat
templates have their tests in their rooms.)
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fathom.config import ModelConfig
from fathom.model.program import build_program
from fathom.reference import LatentCache, Model
from parity.cases import CONFIGS, case
from parity.formulas import Formulas
from parity.truth import TOLERANCE, formulas

VISIBLE = 100 * TOLERANCE


class Bounds(Formulas):
    def ramp_bounds(self, low, high):
        return low, high


class NoCosSinFactor(Formulas):
    def cos_sin_factor(self):
        return 1.0


class RawLatent(Formulas):
    def latent(self, at, h):
        kv = self.linear(h, at + "kv_a_proj_with_mqa")
        return kv[:, : self.c["kv_lora_rank"]], kv[:, self.c["kv_lora_rank"] :]


class NormedKey(Formulas):
    def latent(self, at, h):
        c_kv, k_pe = super().latent(at, h)
        return c_kv, k_pe / np.sqrt((k_pe * k_pe).mean(-1, keepdims=True) + self.inner_eps)


class ConfiguredEps(Formulas):
    @property
    def inner_eps(self):
        return self.c["rms_norm_eps"]


class ValuesFirst(Formulas):
    def split_kv_b(self, kv_b):
        return super().split_kv_b(np.roll(kv_b, self.c["v_head_dim"], axis=1))


class SoftmaxOfTheChosen(Formulas):
    def scale(self, weights):
        return super().scale(weights / weights.sum(-1, keepdims=True))


class GroupMax(Formulas):
    def group_score(self, grouped):
        return grouped.max(-1)


class GroupSum(Formulas):
    def group_score(self, grouped):
        return np.sort(grouped, axis=-1)[..., -2:].sum(-1)


class MaskZero(Formulas):
    def masked(self):
        return 0.0


class NormWithoutScale(Formulas):
    def scale(self, weights):
        return weights / weights.sum(-1, keepdims=True)


class BiasedWeights(Formulas):
    def route(self, at, h):
        scores = self.scores(h @ self.w[at + "weight"].T) + self.w[at + "e_score_correction_bias"]
        ids = super().route(at, h)[0]
        return ids, self.scale(np.take_along_axis(scores, ids, -1))


class OneSharedExpert(Formulas):
    def linear(self, x, name):
        y = super().linear(x, name)
        if "shared_experts" in name and "down" not in name:
            y[:, self.c["moe_intermediate_size"] :] = 0
        return y


class TiedHead(Formulas):
    def logits(self, tokens):
        self.c["tie_word_embeddings"] = True
        return super().logits(tokens)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        pytest.param("v2", Bounds, id="04_yarn_bounds_are_floor_and_ceil"),
        pytest.param("v2_mscale_differs", NoCosSinFactor, id="05_cos_and_sin_carry_the_ratio_of_mscales"),
        pytest.param("v2", RawLatent, id="06_kv_a_layernorm_before_caching"),
        pytest.param("v2", NormedKey, id="06_k_pe_is_not_normed"),
        pytest.param("glm_small_latents", ConfiguredEps, id="07_inner_eps_is_1e-6_whatever_rms_norm_eps"),
        pytest.param("v2", ValuesFirst, id="08_w_uk_rows_before_w_uv_rows"),
        pytest.param("v2", SoftmaxOfTheChosen, id="09_softmax_over_all_experts"),
        pytest.param("v2", GroupSum, id="11_group_score_is_the_best_for_group_limited_greedy"),
        pytest.param("v3", GroupMax, id="11_group_score_is_the_sum_of_two_for_noaux_tc"),
        pytest.param("v3_negative_bias", MaskZero, id="12_masked_groups_are_minus_infinity"),
        pytest.param("v2_norm_topk_prob", NormWithoutScale, id="13_norm_topk_prob_then_scale"),
        pytest.param("v3", BiasedWeights, id="13_weights_come_from_unbiased_scores"),
        pytest.param("v2", OneSharedExpert, id="14_shared_experts_are_one_wide_mlp"),
        pytest.param("v2", TiedHead, id="16_lm_head_is_its_own"),
    ],
)
def test_a_wrong_reading_is_far_from_both_executors(name, wrong, executor):
    assert np.abs(executor(name) - formulas(case(name))).max() < TOLERANCE
    assert np.abs(executor(name) - formulas(case(name), wrong)).max() > VISIBLE


def yarn(name, **settings):
    return {"rope_scaling": {**CONFIGS[name]["rope_scaling"], **settings}}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        pytest.param("v2", {"rope_interleave": False}, id="01_interleaved_or_half_split_rope"),
        pytest.param(
            "v2", yarn("v2", mscale_all_dim=0.0, mscale=0.0), id="02_softmax_scale_has_mscale_all_dim_squared"
        ),
        pytest.param("v2", {"rope_scaling": None}, id="03_yarn_below_the_old_length_too"),
        pytest.param("v2", {"norm_topk_prob": True}, id="10_v2_does_not_renormalise"),
        pytest.param("v2", {"routed_scaling_factor": 1.0}, id="10_routed_scaling_factor_16"),
        pytest.param("v3", {"norm_topk_prob": False}, id="13_norm_topk_prob"),
        pytest.param("v3", {"scoring_func": "softmax"}, id="13_sigmoid_scores"),
    ],
)
def test_a_flipped_setting_moves_the_logits(name, settings):
    """On the first 60 tokens: below original_max_position_embeddings."""
    base = case(name)
    logits = []
    for config in (base.config, {**base.config, **settings}):
        model = Model(ModelConfig.from_dict(config), empty=True)
        model.load_state_dict(base.weights)
        with torch.inference_mode():
            logits.append(model(torch.from_numpy(base.tokens[:, :60])))
    assert (logits[0] - logits[1]).abs().max() > VISIBLE


def test_06_the_cache_holds_the_normed_latent_and_the_rotated_key():
    model = Model(ModelConfig.from_dict(CONFIGS["v2"]), empty=True)
    model.load_state_dict(case("v2").weights)
    seen, cache = {}, LatentCache()
    with torch.inference_mode():
        model(torch.from_numpy(case("v2").tokens), cache=cache, capture=seen.__setitem__)
    at = "model.layers.0.self_attn."
    assert torch.equal(cache.layers[0][..., :64], seen[at + "kv_a_layernorm"])
    raw = seen[at + "kv_a_proj_with_mqa"][..., 64:]
    assert torch.equal(cache.layers[0][:, 0, 64:], raw[:, 0])  # position 0 is not turned
    assert not torch.equal(cache.layers[0][:, 1, 64:], raw[:, 1])


def test_15_the_first_layer_is_dense_and_the_others_are_not():
    kinds = {op.name: op.kind for op in build_program(ModelConfig.from_dict(CONFIGS["v2"])).ops}
    assert kinds["model.layers.0.mlp"] == "mlp"
    assert kinds["model.layers.1.mlp.experts"] == kinds["model.layers.2.mlp.experts"] == "experts"


def test_17_a_missing_q_lora_rank_is_not_null():
    config = {k: v for k, v in CONFIGS["v2_lite"].items() if k != "q_lora_rank"}
    assert ModelConfig.from_dict(config).q_lora_rank == 1536
    assert ModelConfig.from_dict(CONFIGS["v2_lite"]).q_lora_rank is None


@pytest.mark.parametrize("key", ["type", "rope_type"])
def test_19_both_spellings_of_rope_mean_the_same(key):
    old = ModelConfig.from_dict(CONFIGS["v2"])
    raw = dict(CONFIGS["v2"])
    scaling, theta = dict(raw.pop("rope_scaling")), raw.pop("rope_theta")
    raw["rope_parameters"] = {**scaling, "rope_theta": theta, key: scaling.pop("type")}
    assert ModelConfig.from_dict(raw).rope == old.rope


def test_25_the_norm_rounds_before_it_multiplies():
    from transformers.models.deepseek_v2.modeling_deepseek_v2 import DeepseekV2RMSNorm

    from fathom.reference.ops import Call, rms_norm

    x, weight = (torch.randn(shape, generator=torch.Generator().manual_seed(0)) for shape in ((64, 128), (128,)))
    x, weight = x.bfloat16(), weight.bfloat16()
    official = DeepseekV2RMSNorm(128).bfloat16()
    official.weight.data = weight
    ours = rms_norm(Call(step=None, attrs={"eps": 1e-6}, layer=None), x, weight)
    other = (weight * x.float() * torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + 1e-6)).bfloat16()
    assert torch.equal(ours, official(x))
    assert not torch.equal(ours, other)
