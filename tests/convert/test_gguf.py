"""Export to GGUF: what is written is read back, the package's reader agrees, what would run wrongly is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import gguf
import numpy as np
import pytest

from fathom.config import ModelConfig
from fathom.convert.gguf import export_gguf
from fathom.convert.quantize import quantize
from fathom.errors import FathomError
from fathom.model.program import build_program
from fathom.weights.checkpoint import Checkpoint, open_checkpoint
from fathom.weights.gguf_file import read_file
from fathom.weights.gguf_read import read_gguf
from gguf_tiny import FAMILIES, SMALL, YARN, halves, save_tiny

KV_B = "model.layers.0.self_attn.kv_b_proj"


def exported(folder: Path, type: str = "F32", **overrides) -> tuple[Checkpoint, dict[str, np.ndarray]]:
    weights = save_tiny(folder / "source", **overrides)
    export_gguf(open_checkpoint(folder / "source"), folder / "tiny.gguf", type)
    return open_checkpoint(folder / "tiny.gguf"), weights


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


def test_the_rest_of_a_killed_export_makes_room_for_the_next(tmp_path, small_disk) -> None:
    save_tiny(tmp_path / "source")
    (small_disk / ".a.gguf.partial").write_bytes(bytes((4 << 20) - 50_000))
    export_gguf(open_checkpoint(tmp_path / "source"), small_disk / "a.gguf", "F32")
    assert [item.name for item in small_disk.iterdir()] == ["a.gguf"]


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
