"""Damaged GGUF files: whatever happens to the bytes, the file loads or a FathomError says what is wrong."""

from __future__ import annotations

import random
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from fathom.convert.gguf import export_gguf
from fathom.engine.runner import NativeModel
from fathom.errors import FathomError
from fathom.model.program import build_program
from fathom.weights.checkpoint import open_checkpoint
from fathom.weights.gguf_file import read_file
from fathom.weights.gguf_read import read_gguf
from fathom.weights.load import load_weights
from gguf_tiny import VOCABULARY, save_tiny, write_gguf

MUTATIONS = 2000
HUGE = (0, 1, 255, 1 << 16, (1 << 31) - 1, 1 << 32, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> tuple[bytes, list[int], int]:
    """A small file of several types, the offsets of its length fields, and where its tensors start."""
    folder = tmp_path_factory.mktemp("sound")
    sizes = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "n_routed_experts": 2}
    save_tiny(folder, **sizes, kv_lora_rank=32, vocab_size=40)
    checkpoint = open_checkpoint(folder)
    path = folder / "tiny.gguf"
    export_gguf(checkpoint, path, "Q8_0")
    add_vocabulary(path)
    file = read_file(path)
    data = path.read_bytes()
    texts = [*file.fields, *file.tensors, *(v for v in file.fields.values() if isinstance(v, str))]
    lengths = [8, 16] + [at - 8 for text in texts if (at := data.find(text.encode())) >= 8]
    return data, lengths, min(tensor.offset for tensor in file.tensors.values())


def add_vocabulary(path: Path) -> None:
    """The same file with a vocabulary in its metadata."""
    file = read_file(path)
    fields = {k: v for k, v in file.fields.items() if not k.startswith("tokenizer.") and k != "general.architecture"}
    tensors = {}
    for name, stored in file.tensors.items():
        raw = np.fromfile(path, np.uint8, stored.nbytes, offset=stored.offset)
        tensors[name] = (raw.reshape(*stored.shape[:-1], -1), stored.type)
    write_gguf(path, fields | VOCABULARY, tensors)


def damaged(sound: tuple[bytes, list[int], int], seed: int) -> bytes:
    data, lengths, start = sound
    rng = random.Random(seed)
    changed = bytearray(data)
    where = rng.randrange(start) if rng.random() < 0.9 else rng.randrange(len(data))
    kind = seed % 5
    if kind == 0:
        for _ in range(rng.randint(1, 4)):
            changed[rng.randrange(start)] ^= 1 << rng.randrange(8)
    elif kind == 1:
        changed = changed[: rng.randrange(len(data))]
    elif kind == 2:
        at = rng.choice(lengths)
        changed[at : at + 8] = struct.pack("<Q", rng.choice(HUGE) ^ rng.getrandbits(2))
    elif kind == 3:
        changed[where : where + 4] = struct.pack("<I", rng.choice(HUGE) & 0xFFFFFFFF)
    else:
        changed[where : where + rng.randint(0, 9)] = rng.randbytes(rng.randint(0, 9))
    return bytes(changed)


def use(path: Path) -> None:
    """All that is done with a model's file: open it, load it, run it, read its vocabulary."""
    checkpoint = read_gguf(path)
    program = build_program(checkpoint.config)
    model = NativeModel(program, load_weights(checkpoint, program), threads=1)
    model.forward([0, 1, 2], model.new_cache(), logits="last")
    dict(checkpoint.tokenizer_files)  # made when asked for


def test_sound_file_is_used_without_complaint(sound, tmp_path) -> None:
    (tmp_path / "a.gguf").write_bytes(sound[0])
    use(tmp_path / "a.gguf")


@pytest.mark.parametrize("part", range(4))
def test_damage_is_an_error_with_a_name_within_memory(sound, tmp_path, part) -> None:
    path = tmp_path / "a.gguf"
    refused: list[str] = []
    tracemalloc.start()
    for seed in range(part * MUTATIONS // 4, (part + 1) * MUTATIONS // 4):
        path.write_bytes(damaged(sound, seed))
        try:
            use(path)
        except FathomError as error:
            refused.append(str(error))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert MUTATIONS // 8 < len(refused) < MUTATIONS // 4
    assert not [message for message in refused if "\n" in message]
    assert peak < 64 << 20
