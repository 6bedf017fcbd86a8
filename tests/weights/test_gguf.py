"""GGUF: other people's forms load, damage is an error."""

from __future__ import annotations

import json
import os
import struct
import tracemalloc
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest

from fathom.config import ModelConfig
from fathom.convert.gguf import architecture_fields
from fathom.errors import FathomError
from fathom.weights.gguf_file import read_file
from fathom.weights.gguf_read import read_gguf
from gguf_tiny import SMALL, TOKENS, VOCABULARY, halves, random_weights, write_gguf

KV_B = "model.layers.0.self_attn.kv_b_proj"


def by_hand(path: Path, fields: dict = {}, without: tuple = (), kv_b: str = "both", merged: bool = False) -> Path:  # noqa: B006
    """A file in the forms of other and older converters."""
    config = ModelConfig.from_dict(SMALL | {"num_hidden_layers": 2})
    weights = random_weights(config)
    keys = {k: v for k, v in architecture_fields(config).items() if k not in without} | fields
    tensors = {
        "token_embd.weight": weights["model.embed_tokens.weight"],
        "output_norm.weight": weights["model.norm.weight"],
        "output.weight": weights["lm_head.weight"],
        "blk.0.attn_norm.weight": weights["model.layers.0.input_layernorm.weight"],
        "rope_freqs.weight": np.zeros(8, np.float32),
    }
    stem = "model.layers.0.self_attn.kv_b_proj"
    k_b, v_b = halves(weights[f"{stem}.weight"], config)
    if kv_b in ("whole", "both"):
        tensors["blk.0.attn_kv_b.weight"] = weights[f"{stem}.weight"]
    if kv_b in ("split", "both"):
        tensors["blk.0.attn_k_b.weight"] = k_b.reshape(2, 64, 32)
        tensors["blk.0.attn_v_b.weight"] = v_b.reshape(2, 32, 64)
    experts = [f"model.layers.1.mlp.experts.{e}" for e in range(4)]
    gate, up, down = (np.stack([weights[f"{e}.{m}_proj.weight"] for e in experts]) for m in ("gate", "up", "down"))
    tensors["blk.1.ffn_down_exps.weight"] = down
    if merged:
        tensors["blk.1.ffn_gate_up_exps.weight"] = np.concatenate([gate, up], 1)
    else:
        tensors |= {"blk.1.ffn_gate_exps.weight": gate, "blk.1.ffn_up_exps.weight": up}
    return write_gguf(path, keys, {name: (values, "F32") for name, values in tensors.items()})


@pytest.mark.parametrize("merged", [False, True])
def test_stacked_and_merged_experts_are_read_as_one_tensor_an_expert(tmp_path, merged) -> None:
    checkpoint = read_gguf(by_hand(tmp_path / "a.gguf", merged=merged))
    weights = random_weights(checkpoint.config)
    for name in (n for n in weights if n.startswith("model.layers.1.mlp.experts.")):
        assert np.array_equal(checkpoint.tensors[name].floats(), weights[name]), name


def test_old_files_without_mla_keys_gating_and_halves_are_read(tmp_path) -> None:
    new = ("attention.key_length_mla", "attention.value_length_mla", "expert_gating_func", "vocab_size")
    old = {"deepseek2.attention.key_length": 48, "deepseek2.attention.value_length": 32}
    path = by_hand(tmp_path / "a.gguf", old, tuple(f"deepseek2.{key}" for key in new), kv_b="whole")
    checkpoint = read_gguf(path)
    config = checkpoint.config
    assert (config.qk_nope_head_dim, config.v_head_dim, config.scoring_func) == (32, 32, "softmax")
    assert checkpoint.tensors[f"{KV_B}.weight"].shape == (2 * 64, 64)


def test_halves_win_where_a_file_holds_kv_b_in_both_forms(tmp_path) -> None:
    tensors = read_gguf(by_hand(tmp_path / "a.gguf", kv_b="both")).tensors
    assert f"{KV_B}.k_b" in tensors
    assert f"{KV_B}.weight" not in tensors


def test_of_two_halves_the_missing_one_is_named(tmp_path) -> None:
    checkpoint = read_gguf(by_hand(tmp_path / "a.gguf", kv_b="split"))
    fewer = {name: ref for name, ref in checkpoint.tensors.items() if name != f"{KV_B}.v_b"}
    with pytest.raises(FathomError, match=r"no tensor .*kv_b_proj\.v_b"):
        replace(checkpoint, tensors=fewer).floats(f"{KV_B}.weight")


def test_unknown_tensors_keep_their_name_so_that_verify_reports_them(tmp_path) -> None:
    assert "rope_freqs.weight" in read_gguf(by_hand(tmp_path / "a.gguf")).tensors


def test_prediction_layers_are_listed_as_unused(tmp_path) -> None:
    fields = {"deepseek2.block_count": 2, "deepseek2.nextn_predict_layers": 1}
    checkpoint = read_gguf(by_hand(tmp_path / "a.gguf", fields))
    assert checkpoint.config.num_hidden_layers == 1
    assert "blk.1.ffn_down_exps.weight" in checkpoint.unused


def test_merged_experts_that_cannot_be_cut_apart_are_refused(tmp_path) -> None:
    config = ModelConfig.from_dict(SMALL | {"num_hidden_layers": 1, "first_k_dense_replace": 0})
    stack = {"blk.0.ffn_gate_up_exps.weight": (np.zeros((4, 65, 64), np.float32), "F32")}
    with pytest.raises(FathomError, match=r"ffn_gate_up_exps.weight has shape \(4, 65, 64\).*\(4, 64, 64\)") as info:
        read_gguf(write_gguf(tmp_path / "a.gguf", architecture_fields(config), stack))
    assert info.value.code == "tensor_shape"


def test_values_a_layer_are_accepted_where_they_agree(tmp_path) -> None:
    agreed = {"deepseek2.expert_used_count": [0, 2], "deepseek2.attention.head_count": [2, 2]}
    assert read_gguf(by_hand(tmp_path / "a.gguf", agreed)).config.num_experts_per_tok == 2
    with pytest.raises(FathomError, match="expert_used_count"):
        read_gguf(by_hand(tmp_path / "b.gguf", {"deepseek2.expert_used_count": [1, 2]}))


@pytest.mark.parametrize(
    ("fields", "code", "says"),
    [
        ({"general.architecture": "llama"}, "format_unsupported", "llama"),
        ({"deepseek2.block_count": "27"}, "file_malformed", "block_count is '27'"),
        ({"deepseek2.attention.layer_norm_rms_epsilon": float("nan")}, "file_malformed", "epsilon is nan"),
        ({"deepseek2.expert_gating_func": 4}, "format_unsupported", "gating"),
        ({"deepseek2.rope.scaling.type": "longrope"}, "format_unsupported", "longrope"),
        ({"deepseek2.attention.temperature_scale": 0.1}, "format_unsupported", "scaling"),
        ({"deepseek2.block_count": 1}, "file_malformed", "announces 1 layers and holds 2"),
        ({"deepseek2.block_count": 3}, "file_malformed", "announces 3 layers and holds 2"),
        ({"deepseek2.expert_count": 8}, "tensor_shape", r"\(8, 64, 32\)"),
        ({"deepseek2.expert_used_count": 9}, "file_malformed", "9 of 4 experts"),
        ({"deepseek2.rope.dimension_count": 48}, "file_malformed", "qk_nope_head_dim"),
        ({"general.alignment": 3}, "file_malformed", "power of two"),
        ({"tokenizer.ggml.eos_token_id": [1, 2], "tokenizer.ggml.eot_token_id": [3]}, "file_malformed", "eos_token_id"),
    ],
)
def test_metadata_that_cannot_be_run_is_refused_by_name(tmp_path, fields, code, says) -> None:
    with pytest.raises(FathomError, match=says) as info:
        read_gguf(by_hand(tmp_path / "a.gguf", fields))
    assert info.value.code == code


def test_a_part_that_counts_its_siblings_in_words_is_refused(tmp_path) -> None:
    with pytest.raises(FathomError, match="part of a split model"):
        read_gguf(by_hand(tmp_path / "a-00001-of-00002.gguf", {"split.count": [2, 2]}))


def test_a_length_is_not_believed_because_the_file_is_large(tmp_path) -> None:
    """Half a GiB for a key: the file has them (sparse), a header never does."""
    path = tmp_path / "a.gguf"
    path.write_bytes(b"GGUF\x03\0\0\0" + struct.pack("<QQQ", 0, 1, 1 << 29))
    os.truncate(path, 1 << 30)
    tracemalloc.start()
    with pytest.raises(FathomError, match="536870912 bytes"):
        read_gguf(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "magic"),
        (b"GGML" + bytes(40), "does not start with GGUF"),
        (b"GGUF\x01\0\0\0" + bytes(40), "version 1"),
        (b"GGUF\0\0\0\x03" + bytes(40), "big-endian"),
        (b"GGUF\x03\0\0\0" + b"\xff" * 16, "keys"),
    ],
)
def test_other_files_are_named_for_what_they_are(tmp_path, data, says) -> None:
    (tmp_path / "a.gguf").write_bytes(data)
    with pytest.raises(FathomError, match=says):
        read_gguf(tmp_path / "a.gguf")


def test_truncated_file_names_the_tensor_that_is_cut(tmp_path) -> None:
    path = by_hand(tmp_path / "a.gguf")
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(FathomError, match=r"ffn_.*truncated"):
        read_gguf(path)


def test_file_cut_after_opening_is_malformed_not_a_crash(tmp_path) -> None:
    checkpoint = read_gguf(by_hand(tmp_path / "a.gguf"))
    checkpoint.path.write_bytes(checkpoint.path.read_bytes()[:8000])
    with pytest.raises(FathomError, match="truncated"):
        [ref.read() for ref in checkpoint.tensors.values()]


def test_a_type_that_is_not_repacked_is_named_with_its_tensor(tmp_path) -> None:
    rows = np.zeros((40, 512), np.int8)
    keys = architecture_fields(ModelConfig.from_dict(SMALL | {"hidden_size": 512, "num_hidden_layers": 1}))
    norm = np.zeros(512, np.float32)
    tensors = {"token_embd.weight": (rows, "I8"), "blk.0.attn_norm.weight": (norm, "F32")}
    path = write_gguf(tmp_path / "a.gguf", keys, tensors)
    ref = read_gguf(path).tensors["model.embed_tokens.weight"]
    with pytest.raises(FathomError, match=r"embed_tokens.*I8.*Q4_K"):
        ref.floats()


def test_split_files_are_one_model(tmp_path) -> None:
    whole = read_file(by_hand(tmp_path / "a.gguf"))
    writer = gguf.GGUFWriter(tmp_path / "b.gguf", "deepseek2", split_max_tensors=4)
    for key, value in architecture_fields(ModelConfig.from_dict(SMALL | {"num_hidden_layers": 2})).items():
        kind = gguf.GGUFValueType.UINT32 if type(value) is int else gguf.GGUFValueType.get_type(value)
        writer.add_key_value(key, value, kind)
    for name, stored in whole.tensors.items():
        data = np.fromfile(whole.path, np.float32, stored.nbytes // 4, offset=stored.offset)
        writer.add_tensor(name, data.reshape(stored.shape))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    first = next(tmp_path.glob("b-00001-of-*.gguf"))
    assert read_gguf(first).tensors.keys() == read_gguf(whole.path).tensors.keys()
    with pytest.raises(FathomError, match="open its part 1"):
        read_gguf(next(tmp_path.glob("b-00002-of-*.gguf")))
    next(tmp_path.glob("b-00002-of-*.gguf")).unlink()
    with pytest.raises(FathomError) as info:
        read_gguf(first)
    assert info.value.code == "shard_missing"


def test_vocabulary_becomes_tokenizer_files(tmp_path) -> None:
    from tokenizers import Tokenizer

    checkpoint = read_gguf(by_hand(tmp_path / "a.gguf", VOCABULARY))
    tokenizer = Tokenizer.from_str(checkpoint.tokenizer_files["tokenizer.json"])
    assert tokenizer.encode("<bos>abcab", add_special_tokens=False).ids == [0, TOKENS.index("abc"), TOKENS.index("ab")]
    config = json.loads(checkpoint.tokenizer_files["tokenizer_config.json"])
    assert (config["bos_token"], config["eos_token"]) == ("<bos>", "<eos>")
    assert config["chat_template"] == VOCABULARY["tokenizer.chat_template"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"tokenizer.ggml.pre": "falcon"}, "falcon"),
        ({"tokenizer.ggml.model": "llama"}, "llama"),
        ({"tokenizer.ggml.merges": ["a b", "x yz"]}, "x yz"),
        ({"tokenizer.ggml.token_type": [1]}, "token_type"),
        ({"tokenizer.ggml.tokens": [1, 2]}, "tokens"),
    ],
)
def test_a_vocabulary_that_cannot_be_used_fails_text_calls_only(tmp_path, change, says) -> None:
    checkpoint = read_gguf(by_hand(tmp_path / "a.gguf", VOCABULARY | change))
    with pytest.raises(FathomError, match=says):
        checkpoint.tokenizer_files["tokenizer.json"]
