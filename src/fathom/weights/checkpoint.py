"""A checkpoint as everything else sees it: a configuration and tensors under official names, wherever they lie.

Whatever the folder or file holds (official, fused or DeepSeek's inference names; one file or shards; GGUF; fathom's
packed format), :func:`open_checkpoint` presents ``TensorRef``s under the official per-expert names. Opening reads
headers only.
"""

from __future__ import annotations

import json
import mmap
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from fathom.config import ModelConfig
from fathom.errors import FathomError
from fathom.files import errors_of
from fathom.weights.names import canonical, split_kv_b
from fathom.weights.safetensors import Header, read_header

if TYPE_CHECKING:
    from fathom._native import Matrix
    from fathom.model.program import Weight

__all__ = ["DECODED", "DENSE", "LOADABLE", "QUANTIZED", "Checkpoint", "TensorRef", "aligned", "open_checkpoint", "pack"]

DENSE = ("F32", "F16", "BF16")
DECODED = (  # further block types: no exact layout here, so they are decoded and rounded where a format is asked for
    *("Q4_1", "Q5_1", "Q2_K", "Q3_K", "IQ4_NL", "IQ4_XS", "IQ3_S", "IQ3_XXS", "IQ2_S", "IQ2_XS", "IQ2_XXS"),
    *("IQ1_S", "IQ1_M", "MXFP4"),
)
QUANTIZED = ("Q8_0", "Q4_0", "Q5_0", "Q4_K", "Q5_K", "Q6_K")  # GGUF block types that repack exactly
LOADABLE = (*DENSE, *QUANTIZED, *DECODED, "packed")
TOKENIZER_FILES = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("chat_template.jinja", "generation_config.json"),
)

_maps: WeakValueDictionary[tuple[Path, int, int], mmap.mmap] = WeakValueDictionary()


@dataclass(frozen=True, slots=True)
class TensorRef:
    """Where one tensor's bytes lie; nothing is read until asked for."""

    name: str  # official
    shape: tuple[int, ...]
    type: str  # DENSE, QUANTIZED, "packed" (see spec), or a stored dtype that can't be loaded, such as "F8_E4M3"
    path: Path
    offset: int
    nbytes: int
    spec: dict[str, Any] | None = None  # of _native.Matrix.view, where type is "packed"

    def map(self) -> NDArray[np.uint8]:
        """The bytes as a read-only view of the mapped file, which it keeps alive; touched pages count as memory."""
        try:
            with self.path.open("rb") as file:
                stat = os.fstat(file.fileno())
                key = (self.path, stat.st_ino, stat.st_mtime_ns)
                if (mapping := _maps.get(key)) is None:
                    mapping = _maps[key] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:  # ValueError: an empty file can't be mapped
            raise FathomError("file_unreadable", path=self.path, problem=getattr(error, "strerror", error)) from None
        if len(mapping) < self.offset + self.nbytes:
            raise self._truncated(len(mapping))
        return np.frombuffer(mapping, np.uint8, self.nbytes, self.offset)

    def read(self) -> NDArray[np.uint8]:
        """The bytes copied into fresh memory, which is freed with the array: for tensors that are converted."""
        with errors_of(self.path):
            data = np.fromfile(self.path, np.uint8, self.nbytes, offset=self.offset)
        if data.size < self.nbytes:
            raise self._truncated(self.offset + data.size)
        return data

    def floats(self) -> NDArray[np.float32]:
        """The exact values as float32 of ``shape``, decoded from any loadable type."""
        if self.type in DECODED:
            from gguf import GGMLQuantizationType, dequantize

            values: NDArray[np.float32] = dequantize(self.read(), GGMLQuantizationType[self.type])
        else:
            values = dense_floats(self.read(), self.type) if self.type in DENSE else self.matrix().unpack()
        return values.reshape(self.shape)

    def matrix(self) -> Matrix:
        """The values of a 2-D tensor as they are: a view of the mapped file, or an exact repack of GGUF blocks."""
        from fathom._native import Matrix

        known = DENSE + QUANTIZED if len(self.shape) == 2 else DENSE
        if self.type not in (*known, "packed"):
            raise FathomError("tensor_type", name=self.name, found=self.type, known=", ".join(known))
        if self.spec is not None:
            return Matrix.view(self.map(), self.spec)
        if self.type in DENSE:
            return Matrix.dense(self.map(), self.type, self.shape[0], self.shape[1])
        return pack(self, self.read(), self.type)

    def experts(self, stem: str, matrices: tuple[str, ...]) -> Iterator[TensorRef]:
        """A stack (E, rows, cols), of one or more matrices an expert, as views ``STEM.EXPERT.MATRIX.weight``."""
        parts, (count, rows, cols) = len(matrices), self.shape
        nbytes = self.nbytes // (count * parts)
        for index in range(count * parts):
            expert, matrix = divmod(index, parts)
            name, offset = f"{stem}.{expert}.{matrices[matrix]}.weight", self.offset + index * nbytes
            yield replace(self, name=name, shape=(rows // parts, cols), offset=offset, nbytes=nbytes)

    def _truncated(self, size: int) -> FathomError:
        problem = f"tensor {self.name} ends at byte {self.offset + self.nbytes}, the file at {size} (truncated)"
        return FathomError("file_malformed", path=self.path, format="weights", problem=problem)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    path: Path
    config: ModelConfig
    tensors: Mapping[str, TensorRef]  # official names
    format: Literal["safetensors", "gguf", "packed"]
    tokenizer_files: Mapping[str, Path | str] = field(default_factory=dict)  # name -> place, or the text itself (GGUF)
    unused: tuple[str, ...] = ()  # tensors of multi-token-prediction layers, which nothing here runs
    metadata: Mapping[str, Any] = field(default_factory=dict)  # GGUF keys and values; safetensors' __metadata__

    @property
    def nbytes(self) -> int:
        return sum(ref.nbytes for ref in self.tensors.values())

    @property
    def is_float32(self) -> bool:
        """Whether every value is stored as float32; such a model is also run with a float32 cache."""
        return all(ref.type == "F32" for ref in self.tensors.values())

    def tensor(self, name: str) -> TensorRef:
        """The tensor of that name; ``tensor_missing`` where there is none."""
        if name not in self.tensors:
            raise FathomError("tensor_missing", path=self.path, name=name)
        return self.tensors[name]

    def parts(self, name: str, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        """Names and shapes of what stands for a weight: itself, or the halves where GGUF stores a kv_b_proj so."""
        halves = split_kv_b(name, self.config) if name.endswith(".kv_b_proj.weight") else {}
        is_split = name not in self.tensors and not halves.keys().isdisjoint(self.tensors)
        return halves if is_split else {name: shape}

    def floats(self, name: str) -> NDArray[np.float32]:
        """The exact values of an official tensor; a kv_b_proj that GGUF stores as two halves is put together."""
        if name in self.tensors:
            return self.tensors[name].floats()
        keys, values = (self.tensor(half).floats() for half in self.parts(name, ()))  # (H * R, nope), (H * v, R)
        heads, rank = self.config.num_attention_heads, self.config.kv_lora_rank
        keys = keys.reshape(heads, rank, -1).transpose(0, 2, 1)  # (H, nope, R)
        return np.concatenate([keys, values.reshape(heads, -1, rank)], axis=1).reshape(-1, rank)


def pack(tensor: TensorRef | Weight, raw: NDArray[np.uint8], source: str, bits: int = 0, group: int = 32) -> Matrix:
    """``Matrix.pack`` (round floats to ``bits``, or repack GGUF blocks exactly) that names the tensor at fault."""
    from fathom._native import Matrix

    rows, cols = tensor.shape
    try:
        return Matrix.pack(raw, source, rows, cols, bits, group)
    except ValueError as error:
        if "not finite" in str(error):
            raise FathomError("tensor_not_finite", name=tensor.name) from None
        raise FathomError("file_unreadable", path=tensor.name, problem=error) from None


def dense_floats(raw: NDArray[np.uint8], type: str) -> NDArray[np.float32]:
    """Bytes of a DENSE type as float32, flat. BF16 is the upper half of a float32."""
    if type == "F32":
        return raw.view(np.float32)
    if type == "F16":
        return raw.view(np.float16).astype(np.float32)
    return (raw.view(np.uint16).astype(np.uint32) << 16).view(np.float32)


def open_checkpoint(path: str | Path) -> Checkpoint:
    """Open a folder, a .safetensors file with its config.json beside it, or a .gguf file."""
    path = Path(path)
    if not path.exists():
        raise FathomError("file_unreadable", path=path, problem="no such file or folder")
    shards = _shards(path) if path.is_dir() else [path]
    if shards[0].suffix == ".gguf":
        from fathom.weights.gguf_read import read_gguf

        return read_gguf(shards[0])
    if shards[0].suffix != ".safetensors":
        raise _no_weights(path, [path])
    return _open_safetensors(path if path.is_dir() else path.parent, shards)


def _open_safetensors(folder: Path, shards: list[Path]) -> Checkpoint:
    from fathom.weights import packed

    _refuse_parallel(shards)
    config = ModelConfig.load(folder)
    stored: dict[str, TensorRef] = {}
    metadata: dict[str, str] = {}
    for shard in shards:
        header = read_header(shard)
        metadata |= header.metadata
        for ref in packed.members(shard, header) if packed.KEY in header.metadata else _refs(shard, header):
            if ref.name in stored:
                raise FathomError(
                    "checkpoint_mismatch", path=shard, problem=f"tensor {ref.name} is also in {stored[ref.name].path}"
                )
            stored[ref.name] = ref
    tensors, unused = canonical(stored, config, folder)
    files = {name: folder / name for name in TOKENIZER_FILES if (folder / name).is_file()}
    is_packed = packed.KEY in metadata
    return Checkpoint(folder, config, tensors, "packed" if is_packed else "safetensors", files, unused, metadata)


def _refs(path: Path, header: Header) -> Iterator[TensorRef]:
    for name, entry in header.tensors.items():
        yield TensorRef(name, entry.shape, entry.dtype, path, entry.offset, entry.nbytes)


def _shards(folder: Path) -> list[Path]:
    """The weight files of a folder: those its index names, else all safetensors files, else a GGUF."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        return _indexed(folder, index)
    for pattern in ("model*.safetensors", "*.safetensors"):
        if found := sorted(folder.glob(pattern)):
            return found
    if found := sorted(folder.glob("*.gguf")):
        models = {re.sub(r"-\d+-of-\d+$", "", file.stem) for file in found}
        if len(models) > 1:
            problem = f"holds several GGUF models ({', '.join(sorted(models))}); name one of the files"
            raise FathomError("file_unreadable", path=folder, problem=problem)
        return found
    raise _no_weights(folder, list(folder.iterdir()))


def _indexed(folder: Path, index: Path) -> list[Path]:
    try:
        names = json.loads(index.read_text("utf-8"))["weight_map"].values()
        shards = sorted({folder / Path(name).name for name in names if name})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FathomError(
            "file_malformed", path=index, format="index", problem=f"no weight_map of names ({error})"
        ) from None
    for shard in shards:
        if not shard.is_file():
            raise FathomError("shard_missing", path=shard, index=index.name)
    if not shards:
        raise FathomError("file_malformed", path=index, format="index", problem="its weight_map is empty")
    return shards


def _refuse_parallel(shards: list[Path]) -> None:
    """DeepSeek's convert.py cuts matrices when it writes for several GPUs; only its whole form can be read."""
    for shard in shards:
        if (match := re.fullmatch(r"model\d+-mp(\d+)\.safetensors", shard.name)) and match[1] != "1":
            problem = f"holds one of {match[1]} model-parallel parts; convert again with --model-parallel 1"
            raise FathomError("file_unreadable", path=shard, problem=problem)


def _no_weights(path: Path, files: list[Path]) -> FathomError:
    pickles = sorted(file.name for file in files if file.suffix in (".bin", ".pt", ".pth", ".ckpt", ".pkl"))
    found = f"it holds {pickles[0]}, a pickle, which could run code" if pickles else "no weights found"
    return FathomError("file_unreadable", path=path, problem=f"{found}; only .safetensors and .gguf are loaded")


def aligned(raw: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A copy at a 64-byte boundary, as packed blobs need it."""
    buffer = np.empty(raw.size + 64, np.uint8)
    start = -buffer.ctypes.data % 64
    aligned = buffer[start : start + raw.size]
    aligned[:] = raw
    return aligned
