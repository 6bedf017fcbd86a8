"""What a format costs: bits per byte of a model, and how far its next-token distributions are from the original's.

    python bench/quantization_loss.py MODEL FILE [FILE ...] [--formats int8 int4 int4:128] [--calibrate TEXT]

FORMAT is int8, int4, or with --calibrate also calibrated (`fathom quantize --calibrate`) and mixed (plain int4 where
calibrated has int4, int8 elsewhere: what of the gain is the rounding's); `:N` sets the columns that share a scale (32).
Windows of `--window` tokens without overlap, BOS once a window, nats of every text token over the UTF-8 bytes of the
text. Prints one JSON line for the model as it is stored, then one a format: bits per byte, their ratio to the first
line, mean KL divergence in nats a token from the first line's model, share of tokens with the same likeliest successor.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fathom import LLM
from fathom._native import Matrix
from fathom.convert.calibrate import quantize_calibrated
from fathom.convert.quantize import quantize
from fathom.hub.store import resolve
from fathom.model.program import Weight, build_program
from fathom.weights.checkpoint import Checkpoint, open_checkpoint, pack

Logs = NDArray[np.float64]


class Mixed:
    """Plain rounding where calibration would round."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.names = frozenset(w for w in build_program(checkpoint.config).weights if ".mlp." in w)

    def round(self, weight: Weight, group: int) -> Matrix:
        values = np.ascontiguousarray(self.checkpoint.floats(weight.name))
        return pack(weight, values.reshape(-1).view(np.uint8), "F32", 4, group)


def log_probabilities(llm: LLM, ids: list[int], window: int) -> Iterator[tuple[list[int], Logs]]:
    """Of each window of the text: its tokens, and the distribution in front of each of them."""
    for start in range(0, len(ids), window - 1):
        part = ids[start : start + window - 1]
        logits = llm.logits([llm.tokenizer.bos_id, *part])[:-1].astype(np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        yield part, logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def compare(original: LLM, llm: LLM, text: str, window: int) -> dict[str, float]:
    ids = llm.tokenizer.encode(text)
    nats = kl = same = 0.0
    pairs = zip(log_probabilities(original, ids, window), log_probabilities(llm, ids, window), strict=True)
    for (part, p), (_, q) in pairs:
        nats -= float(q[np.arange(len(part)), part].sum())
        kl += float((np.exp(p) * (p - q)).sum())
        same += float((p.argmax(1) == q.argmax(1)).sum())
    bits = nats / math.log(2) / len(text.encode())
    return {
        "bits_per_byte": bits,
        "perplexity": math.exp(nats / len(ids)),
        "kl": kl / len(ids),
        "same": same / len(ids),
    }


def make(model: Path, dst: Path, kind: str, group: int, calibration: Path | None) -> None:
    if kind == "calibrated" and calibration is not None:
        quantize_calibrated(model, dst, calibration, group)
    else:
        mixed = Mixed(open_checkpoint(model)) if kind == "mixed" else None
        quantize(model, dst, "int4" if mixed else kind, group, rounder=mixed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--formats", nargs="+", default=["int8", "int4"])
    parser.add_argument("--calibrate", type=Path, metavar="TEXT")
    parser.add_argument("--window", type=int, default=512)
    args = parser.parse_args()
    model = Path(resolve(args.model))
    texts = {path.name: path.read_text("utf-8") for path in args.files}
    original = LLM(str(model))
    first: dict[str, dict[str, float]] = {}
    for form in ["stored", *args.formats]:
        kind, _, group = form.partition(":")
        with tempfile.TemporaryDirectory() as folder:
            if kind != "stored":
                make(model, Path(folder) / "model", kind, int(group or 32), args.calibrate)
            llm = LLM(str(Path(folder) / "model")) if kind != "stored" else original
            found = {name: compare(original, llm, text, args.window) for name, text in texts.items()}
        first = first or found
        for name, row in found.items():
            row["ratio"] = row["bits_per_byte"] / first[name]["bits_per_byte"]
        rounded = {name: {key: round(value, 5) for key, value in row.items()} for name, row in found.items()}
        print(json.dumps({"format": form, **rounded}), flush=True)


if __name__ == "__main__":
    main()
