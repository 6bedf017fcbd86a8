"""A Q4_0 GGUF of a published shape with random blocks: the file that fathom and llama.cpp are measured on side by side.

    python bench/make_gguf_dummy.py DeepSeek-V2-Lite lite-q4_0.gguf        # 9 GB
    python bench/make_gguf_dummy.py GLM-4.7-Flash glm-q4_0.gguf            # 17 GB

Right in names, shapes, types and vocabulary size, so both load it; scales are such that weights have a standard
deviation of 0.02. Blocks are cut from one random pool at ever other places: writing is bound by the disk.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from itertools import islice, product
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from numpy.typing import NDArray
from tokenizers.pre_tokenizers import ByteLevel

from fathom.config import ModelConfig
from fathom.convert.gguf import export_gguf
from fathom.model.program import Weight, build_program
from fathom.weights.checkpoint import Checkpoint, TensorRef
from fathom.weights.names import split_kv_b
from fathom.weights.published import known_config, published_models

STD = 0.02
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"
)
POOL = 1 << 17  # blocks of each type
CODE_STD = {"Q4_0": 4.6, "Q8_0": 73.9}  # of uniform codes, in steps


class Random(TensorRef):
    """A tensor that is drawn when it is read."""

    __slots__ = ()
    pools: ClassVar[dict[str, NDArray[np.uint8]]] = {}
    place: ClassVar[int] = 0

    def read(self) -> NDArray[np.uint8]:
        block, size = GGML_QUANT_SIZES[GGMLQuantizationType[self.type]]
        pool = self.pools.setdefault(self.type, draw_pool(self.type, size))
        count = int(np.prod(self.shape)) // block
        Random.place = (Random.place + 7919) % POOL
        return np.take(pool, np.arange(Random.place, Random.place + count) % POOL, 0).reshape(-1)

    def floats(self) -> NDArray[np.float32]:
        return np.ones(self.shape, np.float32) + np.linspace(-0.1, 0.1, self.shape[-1], dtype=np.float32)


def draw_pool(kind: str, size: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    pool = rng.integers(0, 256, (POOL, size), np.uint8)
    scales = (STD / CODE_STD[kind] * rng.uniform(0.8, 1.2, (POOL, 1))).astype(np.float16)
    pool[:, :2] = scales.view(np.uint8)
    return pool


def tensors(config: ModelConfig) -> dict[str, TensorRef]:
    """Every weight in the type a Q4_0 file gives it; kv_b_proj as its halves."""
    refs: dict[str, TensorRef] = {}
    for weight in build_program(config).weights.values():
        halves = split_kv_b(weight.name, config) if weight.role == "kv_b" else {weight.name: weight.shape}
        for name, shape in halves.items():
            refs[name] = Random(name, shape, stored_type(weight), Path(), 0, 0)
    return refs


def stored_type(weight: Weight) -> str:
    if len(weight.shape) == 1 or weight.role == "router":
        return "F32"
    return "Q8_0" if weight.role in ("embedding", "head", "kv_b") else "Q4_0"


def vocabulary(config: ModelConfig) -> dict[str, Any]:
    """Byte-level tokens of one, two and three bytes up to the real number, with the special tokens in their places."""
    symbols = sorted(ByteLevel.alphabet())
    pairs = [(a, b) for a, b in product(symbols, symbols)]
    triples = ((a + b, c) for (a, b), c in product(pairs, symbols))
    bos = config.vocab_size - 1 if config.bos_token_id is None else config.bos_token_id
    special = {bos: "<bos>", config.eos_token_ids[0]: "<eos>"}
    merges = list(
        islice((pair for group in (pairs, triples) for pair in group), config.vocab_size - 256 - len(special))
    )
    plain = iter([*symbols, *(left + right for left, right in merges)])
    names = [special.get(i) or next(plain) for i in range(config.vocab_size)]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "deepseek-llm",
        "tokenizer.ggml.tokens": names,
        "tokenizer.ggml.token_type": [3 if i in special else 1 for i in range(config.vocab_size)],
        "tokenizer.ggml.merges": [" ".join(merge) for merge in merges],
        "tokenizer.ggml.bos_token_id": bos,
        "tokenizer.ggml.eos_token_id": config.eos_token_ids[0],
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.chat_template": TEMPLATE,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("name", choices=sorted(published_models()), metavar="NAME", help=", ".join(published_models()))
    parser.add_argument("dst", type=Path, metavar="DST.gguf")
    parser.add_argument("--layers", type=int, help="fewer layers than published; llama.cpp takes few numbers only")
    args = parser.parse_args()
    raw = known_config(args.name).to_dict()
    config = ModelConfig.from_dict(raw | ({"num_hidden_layers": args.layers} if args.layers else {}))
    started = time.monotonic()
    checkpoint = Checkpoint(Path(args.name), config, tensors(config), "gguf", metadata=vocabulary(config))
    export_gguf(checkpoint, args.dst, "Q4_0")
    nbytes, seconds = args.dst.stat().st_size, time.monotonic() - started
    print(json.dumps({"path": str(args.dst), "bytes": nbytes, "seconds": round(seconds, 1)}))
    sys.exit(0)


if __name__ == "__main__":
    main()
