"""Opening: folders, shards, single files; what is missing or can't be trusted is named; tensors are views or copies."""

from __future__ import annotations

import gc
import json
import mmap
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from fathom.convert.gguf import export_gguf
from fathom.errors import FathomError
from fathom.weights import checkpoint as module
from fathom.weights.checkpoint import open_checkpoint
from gguf_tiny import SMALL, save_tiny


def save_sharded(folder: Path, shards: int = 3) -> dict[str, np.ndarray]:
    weights = save_tiny(folder)
    (folder / "model.safetensors").unlink()
    names = [f"model-{i + 1:05}-of-{shards:05}.safetensors" for i in range(shards)]
    weight_map = {name: names[i % shards] for i, name in enumerate(weights)}
    for shard in names:
        save_file({name: weights[name] for name in weights if weight_map[name] == shard}, folder / shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return weights


def error_of(path: Path) -> FathomError:
    with pytest.raises(FathomError) as caught:
        open_checkpoint(path)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("save", [save_tiny, save_sharded])
def test_every_tensor_is_found_and_exact(tmp_path, save) -> None:
    weights = save(tmp_path)
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.format == "safetensors"
    assert checkpoint.config.hidden_size == 64
    assert checkpoint.tensors.keys() == weights.keys()
    assert checkpoint.nbytes == sum(values.nbytes for values in weights.values())
    for name, values in weights.items():
        assert np.array_equal(checkpoint.tensors[name].floats(), values), name


def test_a_single_file_is_opened_with_the_config_beside_it(tmp_path) -> None:
    weights = save_tiny(tmp_path)
    assert open_checkpoint(tmp_path / "model.safetensors").tensors.keys() == weights.keys()


def test_tokenizer_files_are_found(tmp_path) -> None:
    save_tiny(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    assert open_checkpoint(tmp_path).tokenizer_files == {"tokenizer.json": tmp_path / "tokenizer.json"}


def maps_below(folder) -> int:
    """Mapped files of this folder; models of other tests may be alive in the same process."""
    return sum(path.is_relative_to(folder) for path, _, _ in module._maps)


def test_maps_are_shared_read_only_views_and_go_with_the_arrays(tmp_path) -> None:
    save_tiny(tmp_path)
    tensors = list(open_checkpoint(tmp_path).tensors.values())
    arrays = [ref.map() for ref in tensors]
    assert maps_below(tmp_path) == 1
    assert not arrays[0].flags.writeable
    base = arrays[0]
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(getattr(base, "obj", base), mmap.mmap)
    copied = tensors[0].read()
    assert np.array_equal(copied, arrays[0])
    assert copied.flags.owndata
    del arrays, base
    gc.collect()
    assert maps_below(tmp_path) == 0


def test_a_missing_shard_is_named(tmp_path) -> None:
    save_sharded(tmp_path)
    (tmp_path / "model-00002-of-00003.safetensors").unlink()
    error = error_of(tmp_path)
    assert error.code == "shard_missing"
    assert "model-00002-of-00003.safetensors is missing" in str(error)


def test_a_truncated_shard_is_named_with_both_sizes(tmp_path) -> None:
    save_sharded(tmp_path)
    shard = tmp_path / "model-00002-of-00003.safetensors"
    size = shard.stat().st_size
    with shard.open("r+b") as file:
        file.truncate(size - 100)
    error = error_of(tmp_path)
    assert error.code == "file_malformed"
    assert f"{shard} is damaged" in str(error)
    assert f"has {size - 100} bytes, its header describes {size} (truncated)" in str(error)


def test_a_file_that_shrank_after_opening_is_an_error_not_a_crash(tmp_path) -> None:
    save_tiny(tmp_path)
    tensors = open_checkpoint(tmp_path).tensors
    with (tmp_path / "model.safetensors").open("r+b") as file:
        file.truncate(5000)
    for read in (tensors["lm_head.weight"].map, tensors["lm_head.weight"].read):
        with pytest.raises(FathomError, match="truncated"):
            read()
    (tmp_path / "model.safetensors").unlink()
    for read in (tensors["lm_head.weight"].map, tensors["lm_head.weight"].read):
        with pytest.raises(FathomError, match="No such file"):
            read()


@pytest.mark.parametrize(
    "index", ["", "[]", "{}", '{"weight_map": 3}', '{"weight_map": {"a": 1}}', '{"weight_map": {}}']
)
def test_a_malformed_index_is_named(tmp_path, index) -> None:
    save_tiny(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text(index)
    assert error_of(tmp_path).code == "file_malformed"


def test_an_index_reaches_no_file_outside_its_folder(tmp_path) -> None:
    save_tiny(tmp_path / "elsewhere")
    save_tiny(tmp_path / "model")
    index = {"weight_map": {"lm_head.weight": "../elsewhere/other.safetensors"}}
    (tmp_path / "elsewhere" / "model.safetensors").rename(tmp_path / "elsewhere" / "other.safetensors")
    (tmp_path / "model" / "model.safetensors.index.json").write_text(json.dumps(index))
    assert error_of(tmp_path / "model").code == "shard_missing"


def test_a_tensor_in_two_shards_is_refused(tmp_path) -> None:
    weights = save_tiny(tmp_path)
    save_file({"lm_head.weight": weights["lm_head.weight"]}, tmp_path / "model-2.safetensors")
    assert "lm_head.weight is also in" in str(error_of(tmp_path))


def test_pickles_are_never_loaded(tmp_path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(SMALL))
    assert "no weights found; only .safetensors and .gguf are loaded" in str(error_of(tmp_path))
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x02cos\nsystem\n")
    assert "pytorch_model.bin, a pickle, which could run code; only .safetensors" in str(error_of(tmp_path))
    assert "a pickle" in str(error_of(tmp_path / "pytorch_model.bin"))


def test_a_folder_with_one_gguf_is_that_model_with_several_it_is_unclear(tmp_path) -> None:
    save_tiny(tmp_path / "source")
    (tmp_path / "folder").mkdir()
    export_gguf(open_checkpoint(tmp_path / "source"), tmp_path / "folder" / "a.gguf")
    assert open_checkpoint(tmp_path / "folder").format == "gguf"
    shutil.copy(tmp_path / "folder" / "a.gguf", tmp_path / "folder" / "b.gguf")
    assert "several GGUF models (a, b); name one of the files" in str(error_of(tmp_path / "folder"))


def test_missing_paths_and_configurations(tmp_path) -> None:
    assert error_of(tmp_path / "absent").code == "file_unreadable"
    save_tiny(tmp_path)
    (tmp_path / "config.json").unlink()
    assert error_of(tmp_path).code == "config_missing"
