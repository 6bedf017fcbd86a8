"""ModelConfig: official files in, the same files out; golden values of architecture and YaRN; bad input refused."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.config import MODEL_TYPES, ModelConfig, Rope
from fathom.errors import FathomError
from shapes import LITE

YARN = LITE["rope_scaling"]


def test_explicit_null_and_missing_q_lora_rank_differ() -> None:
    assert ModelConfig.from_dict(LITE).q_lora_rank is None
    missing = {k: v for k, v in LITE.items() if k != "q_lora_rank"}
    assert ModelConfig.from_dict(missing).q_lora_rank == 1536


def test_written_file_equals_the_read_one_with_unknown_fields_nulls_and_gaps(tmp_path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LITE))
    ModelConfig.load(tmp_path).save(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text()) == LITE


@pytest.mark.parametrize(
    ("mscale", "all_dim", "scale", "cos_sin"),
    [(0.707, 0.707, 0.1147214, 1.0), (1.0, 1.0, 0.1352338, 1.0), (1.0, 0.707, 0.1147214, 1.0857264)],
)
def test_yarn_softmax_scale_and_cos_sin_factor_are_the_published_ones(mscale, all_dim, scale, cos_sin) -> None:
    raw = LITE | {"rope_scaling": LITE["rope_scaling"] | {"mscale": mscale, "mscale_all_dim": all_dim}}
    config = ModelConfig.from_dict(raw)
    assert config.softmax_scale == pytest.approx(scale, abs=1e-7)
    assert config.rope.cos_sin_factor == pytest.approx(cos_sin, abs=1e-7)


def test_softmax_scale_without_yarn_is_the_plain_one() -> None:
    assert ModelConfig.from_dict(LITE | {"rope_scaling": None}).softmax_scale == pytest.approx(0.0721688, abs=1e-7)


def test_yarn_frequencies_are_the_golden_ones() -> None:
    inv = ModelConfig.from_dict(LITE).rope.inv_freq(64)
    golden = {10: 5.62341e-2, 11: 3.900693e-2, 16: 5.5e-3, 22: 1.778279e-4, 23: 3.333804e-5, 31: 3.333804e-6}
    assert {i: inv[i] for i in golden} == pytest.approx(golden, rel=1e-6)


def test_rope_parameters_of_newer_files_mean_the_same_as_rope_scaling() -> None:
    scaling = dict(LITE["rope_scaling"])
    scaling["rope_type"] = scaling.pop("type")
    newer = {k: v for k, v in LITE.items() if k not in ("rope_scaling", "rope_theta")}
    newer["rope_parameters"] = scaling | {"rope_theta": 10000.0}
    assert ModelConfig.from_dict(newer).rope == ModelConfig.from_dict(LITE).rope
    assert ModelConfig.from_dict(LITE | {"rope_scaling": None}).rope == Rope()


def test_layers_are_moe_by_first_k_dense_replace_frequency_and_layer_types() -> None:
    config = ModelConfig.from_dict(LITE | {"first_k_dense_replace": 2, "moe_layer_freq": 3})
    assert [layer for layer in range(10) if config.is_moe_layer(layer)] == [3, 6, 9]
    glm = {"model_type": "glm4_moe_lite", "num_hidden_layers": 3, "mlp_layer_types": ["sparse", "dense", "sparse"]}
    assert [ModelConfig.from_dict(glm).is_moe_layer(layer) for layer in range(3)] == [True, False, True]
    assert not ModelConfig.from_dict(LITE | {"n_routed_experts": None}).is_moe_layer(20)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_defaults_of_every_family_make_a_valid_configuration(model_type) -> None:
    config = ModelConfig.from_dict({"model_type": model_type})
    assert config.num_attention_heads == MODEL_TYPES[model_type]["num_attention_heads"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"hidden_size": "2048"}, "hidden_size"),
        ({"hidden_size": None}, "hidden_size"),
        ({"hidden_size": True}, "hidden_size"),
        ({"hidden_size": 0}, "hidden_size"),
        ({"hidden_size": 1 << 40}, "hidden_size"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers"),
        ({"rms_norm_eps": "1e-6"}, "rms_norm_eps"),
        ({"rms_norm_eps": float("nan")}, "rms_norm_eps"),
        ({"norm_topk_prob": 1}, "norm_topk_prob"),
        ({"topk_method": "random"}, "topk_method"),
        ({"hidden_act": "gelu"}, "hidden_act"),
        ({"num_experts_per_tok": 65}, "num_experts_per_tok"),
        ({"n_group": 7}, "n_group"),
        ({"qk_rope_head_dim": 63}, "qk_rope_head_dim"),
        ({"num_key_value_heads": 4}, "num_key_value_heads"),
        ({"rope_scaling": {"type": "linear", "factor": 2}}, "rope_scaling.type"),
        ({"rope_scaling": {"type": "yarn"}}, "rope_scaling.factor"),
        ({"rope_scaling": "yarn"}, "rope_scaling"),
        ({"rope_scaling": {"type": "yarn", "factor": "40"}}, "rope_scaling.factor"),
        ({"mlp_layer_types": ["dense"]}, "mlp_layer_types"),
        ({"eos_token_id": ["x"]}, "eos_token_id"),
        ({"eos_token_id": [[1]]}, "eos_token_id"),
        ({"rms_norm_eps": 10**400}, "rms_norm_eps"),
        ({"rope_theta": 1e300}, "rope_theta"),
        ({"rope_scaling": YARN | {"factor": 10**400}}, "rope_scaling.factor"),
        ({"rope_scaling": YARN | {"factor": 0.5}}, "rope_scaling"),
        ({"rope_scaling": YARN | {"beta_fast": 1e308}}, "rope_scaling.beta_fast"),
        ({"rope_scaling": YARN | {"mscale_all_dim": 1e308}}, "rope_scaling.mscale_all_dim"),
    ],
)
def test_bad_values_are_refused_by_name_in_one_line(change, field) -> None:
    with pytest.raises(FathomError) as e:
        ModelConfig.from_dict(LITE | change)
    assert e.value.code == "config_invalid"
    assert e.value.fields["field"] == field
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("raw", [{}, {"model_type": "llama"}, {"model_type": 3}, {"model_type": ["deepseek_v2"]}])
def test_other_model_types_are_refused(raw) -> None:
    with pytest.raises(FathomError, match="not of this family"):
        ModelConfig.from_dict(raw)


@pytest.mark.parametrize("text", ["", "[]", "{", "\x00", "[" * 100_000, '{"hidden_size": 1' + "0" * 5000 + "}"])
def test_damaged_files_are_refused(tmp_path, text) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(FathomError):
        ModelConfig.load(tmp_path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(key=st.sampled_from(sorted(YARN)), value=st.floats(0) | st.integers(0))
def test_any_number_in_yarn_gives_finite_constants_or_is_refused(key, value) -> None:
    try:
        config = ModelConfig.from_dict(LITE | {"rope_scaling": YARN | {key: value}})
    except FathomError:
        return
    rope = config.rope
    constants = [*rope.inv_freq(config.qk_rope_head_dim), config.softmax_scale, rope.cos_sin_factor]
    assert all(0.0 < constant < math.inf for constant in constants)


@given(field=st.sampled_from([*MODEL_TYPES["deepseek_v2"], "rope_scaling", "rope_parameters"]), value=json_values)
def test_any_json_value_in_any_field_loads_or_is_refused(field, value) -> None:
    try:
        config = ModelConfig.from_dict(LITE | {field: value})
    except FathomError:
        return
    assert all(0.0 <= f <= 1.0 for f in config.rope.inv_freq(config.qk_rope_head_dim))
