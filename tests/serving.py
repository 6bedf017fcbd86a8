"""For tests over HTTP: a live server on a free port, and a tiny random model with DeepSeek's control tokens."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import uvicorn
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from fathom._native import Pages
from fathom.config import ModelConfig
from fathom.engine.runner import NativeModel, Segment
from fathom.model.program import build_program

CONFIG = {
    "model_type": "deepseek_v2",
    "vocab_size": 352,
    "hidden_size": 64,
    "intermediate_size": 96,
    "moe_intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "q_lora_rank": None,
    "kv_lora_rank": 32,
    "qk_nope_head_dim": 16,
    "qk_rope_head_dim": 16,
    "v_head_dim": 16,
    "n_routed_experts": 4,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "first_k_dense_replace": 1,
    "moe_layer_freq": 1,
    "topk_method": "greedy",
    "scoring_func": "softmax",
    "routed_scaling_factor": 1.0,
    "norm_topk_prob": False,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "max_position_embeddings": 2048,
    "bos_token_id": 0,
    "eos_token_id": 1,
}
CONTROLS = [
    "<｜begin▁of▁sentence｜>",
    "<｜end▁of▁sentence｜>",
    "<｜▁pad▁｜>",
    "<｜User｜>",
    "<｜Assistant｜>",
    "<｜tool▁calls▁begin｜>",
    "<｜tool▁calls▁end｜>",
    "<｜tool▁call▁begin｜>",
    "<｜tool▁call▁end｜>",
    "<｜tool▁sep｜>",
    "<｜tool▁outputs▁begin｜>",
    "<｜tool▁outputs▁end｜>",
    "<｜tool▁output▁begin｜>",
    "<｜tool▁output▁end｜>",
]


def write_checkpoint(folder: Path, head_scale: float = 1.0) -> Path:
    """A tiny random checkpoint in the official layout; ``head_scale`` multiplies the logits."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG), "utf-8")
    random = np.random.default_rng(7)
    tensors = {}
    for weight in build_program(ModelConfig.from_dict(CONFIG)).weights.values():
        noise = random.standard_normal(weight.shape, np.float32)
        tensors[weight.name] = 1 + noise / 8 if len(weight.shape) == 1 else noise / np.float32(weight.shape[-1] ** 0.5)
    tensors["lm_head.weight"] *= np.float32(head_scale)
    save_file(tensors, folder / "model.safetensors")
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=CONFIG["vocab_size"] - 16,
        special_tokens=[AddedToken(name, special=True) for name in CONTROLS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(["the cat sat on the mat and then the rat ate the oat"] * 4, trainer)
    bpe.save(str(folder / "tokenizer.json"))
    names = {"bos_token": CONTROLS[0], "eos_token": CONTROLS[1], "pad_token": CONTROLS[2], "add_bos_token": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(names), "utf-8")
    return folder


class Slow:
    """A model whose steps take 5 ms and more."""

    def __init__(self, model: NativeModel) -> None:
        self.model, self.max_tokens, self.new_pages = model, model.max_tokens, model.new_pages

    def step(self, segments: Sequence[Segment], pages: Pages) -> NDArray[np.float32]:
        time.sleep(0.005)
        return self.model.step(segments, pages)


@contextmanager
def running(app) -> Iterator[str]:
    """The base URL of ``app`` served by a real uvicorn in a thread."""
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host="127.0.0.1",
            port=0,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=2,
            timeout_keep_alive=60,
        )
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_for(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive(), "the server does not end"


def wait_for(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, "took too long"
        time.sleep(0.01)
