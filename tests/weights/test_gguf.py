"""GGUF: what is written is read back, the package's reader agrees, other people's forms load, damage is an error."""

from __future__ import annotations

import json
import os
import shutil
import struct
import tracemalloc
from pathlib import Path

import gguf
import numpy as np
import pytest

from fathom.config import ModelConfig
from fathom.convert.gguf import architecture_fields, export_gguf
from fathom.convert.quantize import quantize
from fathom.errors import FathomError
from fathom.model.program import build_program
from fathom.weights.checkpoint import Checkpoint, open_checkpoint
from fathom.weights.gguf_file import read_file
from fathom.weights.gguf_read import read_gguf
from gguf_tiny import FAMILIES, SMALL, TOKENS, VOCABULARY, YARN, random_weights, save_tiny, write_gguf

KV_B = "model.layers.0.self_attn.kv_b_proj"


def exported(folder: Path, type: str = "F32", **overrides) -> tuple[Checkpoint, dict[str, np.ndarray]]:
    weights = save_tiny(folder / "source", **overrides)
    export_gguf(open_checkpoint(folder / "source"), folder / "tiny.gguf", type)
    return open_checkpoint(folder / "tiny.gguf"), weights


def halves(kv_b: np.ndarray, config: ModelConfig) -> tuple[np.ndarray, np.ndarray]:
    per_head = kv_b.reshape(config.num_attention_heads, -1, config.kv_lora_rank)
    k_b, v_b = np.split(per_head, [config.qk_nope_head_dim], axis=1)
    return k_b.swapaxes(1, 2).reshape(-1, config.qk_nope_head_dim), v_b.reshape(-1, config.kv_lora_rank)


@pytest.mark.parametrize("family", FAMILIES)
def test_configuration_and_every_value_survive_export_and_reading(tmp_path, family) -> None:
    checkpoint, weights = exported(tmp_path, **FAMILIES[family])
    wanted, config = ModelConfig.from_dict(SMALL | FAMILIES[family]), checkpoint.config
    assert build_program(config).ops == build_program(wanted).ops
    assert config.rope.inv_freq(16) == wanted.rope.inv_freq(16)
    assert (config.softmax_scale, config.rope.cos_sin_factor) == (wanted.softmax_scale, wanted.rope.cos_sin_factor)
    assert (config.routed_scaling_factor, config.rms_norm_eps) == (wanted.routed_scaling_factor, wanted.rms_norm_eps)
    for name, values in weights.items():
        if name.endswith("kv_b_proj.weight"):
            k_b, v_b = halves(values, config)
            assert np.array_equal(checkpoint.tensors[name.replace("weight", "k_b")].floats(), k_b)
            assert np.array_equal(checkpoint.tensors[name.replace("weight", "v_b")].floats(), v_b)
        else:
            assert np.array_equal(checkpoint.tensors[name].floats(), values), name


def test_header_is_what_the_package_reads(tmp_path) -> None:
    checkpoint, _ = exported(tmp_path, "Q8_0")
    mine, theirs = read_file(checkpoint.path), gguf.GGUFReader(checkpoint.path)
    for key, value in mine.fields.items():
        assert theirs.get_field(key).contents() == value
    assert len(mine.fields) == len(theirs.fields) - 3  # it lists version and counts too
    for tensor in theirs.tensors:
        stored = mine.tensors[tensor.name]
        assert stored.shape == tuple(int(n) for n in reversed(tensor.shape))
        assert (stored.type, stored.offset, stored.nbytes) == (
            tensor.tensor_type.name,
            tensor.data_offset,
            tensor.n_bytes,
        )


def test_quantised_export_holds_the_packages_own_blocks(tmp_path) -> None:
    checkpoint, weights = exported(tmp_path, "Q4_0", qk_nope_head_dim=48)
    name = "model.layers.1.mlp.experts.3.down_proj.weight"
    blocks = gguf.quants.quantize(weights[name], gguf.GGMLQuantizationType.Q4_0)
    assert checkpoint.tensors[name].read().tobytes() == blocks.tobytes()
    assert checkpoint.tensors["lm_head.weight"].type == "Q8_0"
    assert checkpoint.tensors["model.layers.1.self_attn.o_proj.weight"].type == "Q4_0"
    assert checkpoint.tensors["model.layers.1.mlp.gate.weight"].type == "F32"
    assert checkpoint.tensors[f"{KV_B}.k_b"].type == "F16"  # 48 columns are no multiple of 32


@pytest.mark.parametrize(("format", "type"), [("int8", "Q8_0"), ("int4", "Q4_0")])
def test_a_packed_model_exports_without_a_value_changing(tmp_path, format, type) -> None:
    save_tiny(tmp_path / "source", hidden_size=256, intermediate_size=512)
    quantize(tmp_path / "source", tmp_path / "packed", format, 32)
    source = open_checkpoint(tmp_path / "packed")
    export_gguf(source, tmp_path / "tiny.gguf", type)
    checkpoint = open_checkpoint(tmp_path / "tiny.gguf")
    for name, ref in source.tensors.items():
        if not name.endswith("kv_b_proj.weight"):  # its key half is transposed, so other columns share a scale
            assert np.array_equal(checkpoint.tensors[name].floats(), ref.floats()), name


def test_a_gguf_exports_to_the_same_gguf(tmp_path) -> None:
    checkpoint, _ = exported(tmp_path, "Q8_0")
    export_gguf(checkpoint, tmp_path / "again.gguf", "Q8_0")
    first, second = read_file(checkpoint.path), read_file(tmp_path / "again.gguf")
    assert {k: v for k, v in first.fields.items() if k != "general.name"} == {
        k: v for k, v in second.fields.items() if k != "general.name"
    }
    assert first.path.read_bytes()[-4096:] == second.path.read_bytes()[-4096:]


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"q_lora_rank": None}, "26 or 27 layers"),
        ({"num_hidden_layers": 27}, "q_lora_rank 32"),
        ({"rope_scaling": YARN | {"mscale": 1.0}}, "mscale_all_dim 0.707"),
        ({"rope_scaling": {"type": "yarn", "factor": 4}}, "mscale_all_dim 0.0"),
        ({"moe_layer_freq": 2, "num_hidden_layers": 5}, "dense layers first"),
        ({"n_shared_experts": None}, "shared experts"),
        ({"n_group": 4, "topk_group": 4, "topk_method": "group_limited_greedy"}, "groups"),
    ],
)
def test_what_llama_cpp_would_not_run_is_refused_before_writing(tmp_path, overrides, says) -> None:
    save_tiny(tmp_path / "source", **overrides)
    with pytest.raises(FathomError, match=says) as info:
        export_gguf(open_checkpoint(tmp_path / "source"), tmp_path / "tiny.gguf")
    assert info.value.code == "export_refused"
    assert not (tmp_path / "tiny.gguf").exists()


def test_unknown_type_nan_and_missing_tensor_leave_no_file(tmp_path) -> None:
    save_tiny(tmp_path)
    checkpoint = open_checkpoint(tmp_path)
    with pytest.raises(FathomError, match="F32, BF16, Q8_0, Q4_0"):
        export_gguf(checkpoint, tmp_path / "tiny.gguf", "Q2_K")
    with pytest.raises(FathomError, match=r"ends in \.gguf"):
        export_gguf(checkpoint, tmp_path / "tiny")
    fewer = {name: ref for name, ref in checkpoint.tensors.items() if name != "lm_head.weight"}
    with pytest.raises(FathomError, match="no tensor lm_head"):
        export_gguf(Checkpoint(checkpoint.path, checkpoint.config, fewer, "safetensors"), tmp_path / "tiny.gguf")
    ref = checkpoint.tensors["lm_head.weight"]
    with ref.path.open("r+b") as file:
        file.seek(ref.offset)
        file.write(np.float32(np.nan).tobytes())
    with pytest.raises(FathomError, match="NaN"):
        export_gguf(checkpoint, tmp_path / "tiny.gguf")
    assert not list(tmp_path.glob("*.gguf*")) + list(tmp_path.glob(".*"))


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


def test_the_rest_of_a_killed_export_makes_room_for_the_next(tmp_path, small_disk) -> None:
    save_tiny(tmp_path / "source")
    (small_disk / ".a.gguf.partial").write_bytes(bytes((4 << 20) - 50_000))
    export_gguf(open_checkpoint(tmp_path / "source"), small_disk / "a.gguf", "F32")
    assert [item.name for item in small_disk.iterdir()] == ["a.gguf"]


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


def test_without_vocabulary_there_are_no_tokenizer_files(tmp_path) -> None:
    checkpoint, _ = exported(tmp_path)
    assert checkpoint.metadata["tokenizer.ggml.model"] == "no_vocab"
    assert not checkpoint.tokenizer_files


def test_tokenizer_of_a_folder_comes_back_from_the_gguf(tmp_path, shared) -> None:
    from tokenizers import Tokenizer

    save_tiny(tmp_path / "source", vocab_size=12288)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(shared / "mini" / name, tmp_path / "source")
    export_gguf(open_checkpoint(tmp_path / "source"), tmp_path / "tiny.gguf")
    files = read_gguf(tmp_path / "tiny.gguf").tokenizer_files
    text = "Hello, 世界!  12345\r\nÉté <｜User｜> naïve\tx"
    before = Tokenizer.from_file(str(shared / "mini" / "tokenizer.json"))
    after = Tokenizer.from_str(files["tokenizer.json"])
    assert after.encode(text).ids == before.encode(text).ids
    settings = json.loads((shared / "mini" / "tokenizer_config.json").read_text("utf-8"))
    assert json.loads(files["tokenizer_config.json"])["chat_template"] == settings["chat_template"]


def test_golden_vectors_pass_through_the_table_of_pre_tokenizers(shared) -> None:
    from tokenizers import Tokenizer

    from fathom.convert.gguf_vocab import vocabulary_fields
    from fathom.weights.gguf_vocab import VocabularyFiles

    original = json.loads((shared / "vocab" / "tokenizer.json").read_text("utf-8"))
    fields = vocabulary_fields(original, {}, 102400)
    assert fields["tokenizer.ggml.pre"] == "deepseek-llm"
    tokenizer = Tokenizer.from_str(VocabularyFiles(Path("x.gguf"), fields)["tokenizer.json"])
    golden = json.loads((shared / "vocab" / "golden.json").read_text("utf-8"))
    for vector in golden:
        assert tokenizer.encode(vector["text"], add_special_tokens=False).ids == vector["ids"]
