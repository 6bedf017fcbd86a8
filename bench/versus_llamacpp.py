"""fathom beside llama.cpp on the same GGUF file: prefill and decode speed, interleaved, as ratios.

    python bench/versus_llamacpp.py FILE.gguf [--prompt-tokens 512] [--decode-tokens 32] [--rounds 5] [--one-at-a-time]
                                              [--ik PATH]

`--one-at-a-time` loads the file anew for each round, for models of which two copies don't fit into memory. `--ik` adds
a third engine, the llama-bench program of an ik_llama.cpp built elsewhere; it loads anew for each round and its share
of foreign CPU time isn't known. The last line is one JSON object.

llama.cpp takes the instructions it was compiled for. To compare on AVX2, compile it so, and set FATHOM_CPU=avx2:

    CMAKE_ARGS="-DGGML_NATIVE=OFF -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON" \\
        pip install --force-reinstall --no-deps --no-binary llama-cpp-python --no-cache-dir llama-cpp-python

What each engine uses is printed when it has loaded.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

from versus import THREADS, Engine, Figures, Loaded, Worker, arguments, compare, load_fathom, serve


def load_llama(path: str, context: int) -> Loaded:
    import llama_cpp

    peer = llama_cpp.Llama(path, n_ctx=context, n_batch=512, n_threads=THREADS, n_threads_batch=THREADS, verbose=False)
    about = f"{llama_cpp.__version__} {llama_cpp.llama_print_system_info().decode()}"
    return Loaded(about, peer.n_vocab(), peer.reset, peer.eval)


class LlamaBench:
    """ik_llama.cpp with what it recommends for these models: MLA, fused experts, weights repacked when loaded."""

    pid: int | None = None

    def __init__(self, program: Path, file: Path) -> None:
        options = ["-r", "1", "-ngl", "0", "-mla", "3", "-fa", "1", "-fmoe", "1", "-rtr", "1", "-o", "json"]
        self.command = [str(program), "-m", str(file), "-t", str(THREADS), *options]

    def run(self, prompt: int, decode: int) -> Figures:
        tests = ["-p", str(prompt), "-n", "0", "-gp", f"{prompt},{decode}"]  # tokens behind the prompt, timed alone
        done = subprocess.run([*self.command, *tests], stdout=subprocess.PIPE, text=True, check=True)
        rows = json.loads(done.stdout)
        return {"decode" if row["n_gen"] else "prefill": row["avg_ts"] for row in rows}

    def close(self) -> None:
        pass


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--ik", type=Path, metavar="PATH", help="llama-bench of ik_llama.cpp")
    args = parser.parse_args()
    loaders = {"fathom": load_fathom, "llama.cpp": load_llama}
    if args.worker:
        return serve(loaders[args.worker], str(args.file), args.context)
    starts: dict[str, Callable[[], Engine]] = {name: partial(Worker, name, str(args.file), args) for name in loaders}
    if args.ik:
        starts["ik_llama.cpp"] = partial(LlamaBench, args.ik, args.file)
    compare(args, starts, {"file": args.file.name})


if __name__ == "__main__":
    main()
