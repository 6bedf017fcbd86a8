"""A vocabulary and a model of a few hundred kilobytes with everything the text and generation tests need."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer as Library
from tokenizers import decoders, models, pre_tokenizers, trainers

from fathom.config import ModelConfig
from fathom.model.program import build_program
from fathom.text.tokenizer import Tokenizer

CONTROLS = (
    *("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>", "<｜User｜>", "<｜Assistant｜>"),
    *(
        "<｜tool▁calls▁begin｜>",
        "<｜tool▁calls▁end｜>",
        "<｜tool▁call▁begin｜>",
        "<｜tool▁call▁end｜>",
        "<｜tool▁sep｜>",
    ),
    *("<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>", "<｜tool▁output▁begin｜>", "<｜tool▁output▁end｜>"),
)
THINK = ("<think>", "</think>")  # added, but not flagged special: control by their look
BYTE_SYMBOL = "ö"  # added and ordinary, like deepseek-llm's 100003
VOCAB_SIZE = 400  # the last rows are padding
CONFIG: dict[str, Any] = {
    **{"model_type": "deepseek_v2", "vocab_size": VOCAB_SIZE, "hidden_size": 64, "intermediate_size": 96},
    **{"moe_intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2},
    **{"q_lora_rank": None, "kv_lora_rank": 32, "qk_nope_head_dim": 16, "qk_rope_head_dim": 16, "v_head_dim": 16},
    **{"n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2, "first_k_dense_replace": 1},
    **{"max_position_embeddings": 2048, "bos_token_id": 0, "eos_token_id": 1, "rope_theta": 10000.0},
}
NAMES = {"bos_token": CONTROLS[0], "eos_token": CONTROLS[1], "pad_token": CONTROLS[2], "add_bos_token": True}
_TEXT = "the cat sat on the mat and the rat ate the oat; what is the capital? 今天天气很好，我们去公园吧。你好！" * 4


@cache
def spec() -> str:
    """The text of a tokenizer.json: controls at 0-13, think tokens at 14 and 15, a byte symbol at 16, then the BPE."""
    library = Library(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    alphabet = [c for c in pre_tokenizers.ByteLevel.alphabet() if c != BYTE_SYMBOL]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE - 20,
        special_tokens=[*CONTROLS, *THINK, BYTE_SYMBOL],
        initial_alphabet=alphabet,
        show_progress=False,
    )
    library.train_from_iterator([_TEXT], trainer)
    raw = json.loads(library.to_str())
    for token in raw["added_tokens"]:
        token["special"] = token["content"] in CONTROLS
    return json.dumps(raw, ensure_ascii=False)


@cache
def tokenizer() -> Tokenizer:
    return Tokenizer(spec(), NAMES)


@cache
def arrays(seed: int = 7) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    tensors = {}
    for weight in build_program(ModelConfig.from_dict(CONFIG)).weights.values():
        noise = random.standard_normal(weight.shape, np.float32)
        tensors[weight.name] = 1 + noise / 8 if len(weight.shape) == 1 else noise / np.float32(weight.shape[-1] ** 0.5)
    return tensors


def write_checkpoint(folder: Path, *, with_text: bool = True, **extra: Any) -> Path:
    """The model in the official layout; ``extra`` goes into tokenizer_config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG), "utf-8")
    save_file(arrays(), folder / "model.safetensors")
    if with_text:
        (folder / "tokenizer.json").write_text(spec(), "utf-8")
        (folder / "tokenizer_config.json").write_text(json.dumps({**NAMES, **extra}, ensure_ascii=False), "utf-8")
    return folder
