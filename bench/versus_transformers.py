"""fathom beside transformers on the same checkpoint: prefill and decode speed, interleaved, as ratios.

    python bench/versus_transformers.py [FOLDER | NAME] [--layers 4] [--format bf16] [--prompt-tokens 512] ...

A NAME of a published shape (DeepSeek-V2-Lite unless given) stands for a checkpoint with random weights and `--layers`
layers, written for this run: every layer costs the same, so few of them show the ratio. Both engines keep the weights
as they are stored, bf16 or f32; transformers uses its defaults otherwise. The last line is one JSON object.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from fathom.convert.dummy import make_dummy
from versus import THREADS, Engine, Loaded, Worker, arguments, compare, load_fathom, serve


def load_transformers(path: str, _context: int) -> Loaded:
    import torch
    import transformers

    torch.set_num_threads(THREADS)
    model = transformers.AutoModelForCausalLM.from_pretrained(path, dtype="auto").eval()
    cache: Any = None

    def reset() -> None:
        nonlocal cache
        cache = transformers.DynamicCache(config=model.config)

    def step(tokens: list[int]) -> None:
        with torch.inference_mode():
            model(torch.tensor([tokens]), past_key_values=cache, use_cache=True, logits_to_keep=1)

    versions = f"transformers {transformers.__version__}, torch {torch.__version__}"
    about = f"{versions}, {torch.backends.cpu.get_cpu_capability()}, {model.dtype}"
    return Loaded(about, model.config.vocab_size, reset, step)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("model", nargs="?", default="DeepSeek-V2-Lite", metavar="FOLDER | NAME")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--format", choices=("bf16", "f32"), default="bf16")
    args = parser.parse_args()
    loaders = {"fathom": load_fathom, "transformers": load_transformers}
    if args.worker:
        return serve(loaders[args.worker], args.model, args.context)
    about = {"model": args.model}
    with tempfile.TemporaryDirectory() as folder:
        path = args.model
        if not Path(path).is_dir():
            path = str(make_dummy(args.model, Path(folder) / "model", args.format, layers=args.layers))
            about |= {"layers": args.layers, "format": args.format}
        starts: dict[str, Callable[[], Engine]] = {name: partial(Worker, name, path, args) for name in loaders}
        compare(args, starts, about)


if __name__ == "__main__":
    main()
