"""What a format costs: bits per byte of a model in several formats over the same text.

    python bench/quantization_loss.py MODEL FILE [FILE ...] [--formats float32 int8 int4] [--window 512]

Windows of `--window` tokens without overlap, BOS once a window, nats of every text token over the UTF-8 bytes of the
text. Prints one JSON line a format, with its ratio to the first format.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np

from fathom import LLM


def bits_per_byte(llm: LLM, text: str, window: int) -> float:
    """Cross-entropy in bits over the raw bytes; every token is predicted once, the first of a window from BOS."""
    ids = llm.tokenizer.encode(text)
    bos = llm.tokenizer.bos_id
    nats = 0.0
    for start in range(0, len(ids), window - 1):
        part = ids[start : start + window - 1]
        logits = llm.logits([bos, *part])[:-1].astype(np.float64)
        top = logits.max(axis=1)
        log_sum = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
        nats += float((log_sum - logits[np.arange(len(part)), part]).sum())
    return nats / math.log(2) / len(text.encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--formats", nargs="+", default=["float32", "int8", "int4"])
    parser.add_argument("--window", type=int, default=512)
    args = parser.parse_args()
    texts = {path.name: path.read_text("utf-8") for path in args.files}
    first: dict[str, float] = {}
    for form in args.formats:
        llm = LLM(args.model, dtype=form)
        bits = {name: bits_per_byte(llm, text, args.window) for name, text in texts.items()}
        first = first or bits
        ratio = {name: round(bits[name] / first[name], 5) for name in bits}
        print(json.dumps({"format": form, "bits_per_byte": {n: round(b, 4) for n, b in bits.items()}, "ratio": ratio}))


if __name__ == "__main__":
    main()
