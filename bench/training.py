"""Training speed beside transformers on one shape and the same CPU: a whole step, interleaved, as ratios.

    python bench/training.py [CONFIG FOLDER] [--rows 4] [--length 1024] [--micros 4] [--threads N] [--rounds 5]

A step is forward and backward of some micro-batches, then the optimiser. fathom steps as `fathom train` does on this
machine: float32 masters, balance loss, clipping, Muon and AdamW.
transformers gets DeepseekV2ForCausalLM with sdpa, AdamW (fused) and neither clipping nor balance loss; before the
rounds every precision (autocast over float32 masters, bfloat16 weights) and experts implementation is tried on one
micro-batch, then eager attention on the fastest and torch.compile on the two fastest; the fastest of all takes part.
Both learn every token of the same batch. Each has a process of its own, the idle one sleeps; `--busy` doesn't wait for
a quiet machine and judges by the CPU time of the processes. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

import fathom
from fathom.bench.quiet import Others, wait_for_quiet
from fathom.config import ModelConfig

MINI = Path(fathom.__file__).parent / "assets" / "mini"
ROOM = 2**29  # bytes; what needs more for the weights it gathers is not tried
Figures = dict[str, float]


class Stepper(NamedTuple):
    about: dict[str, Any]
    backward: Callable[[int], Tensor]  # forward and backward of so many micro-batches; their mean loss
    update: Callable[[], None]  # and gradients are none again


def batch(args: argparse.Namespace, vocabulary: int) -> Tensor:
    """(rows, length + 1)"""
    return torch.randint(0, vocabulary, (args.rows, args.length + 1), generator=torch.Generator().manual_seed(1))


def load_fathom(args: argparse.Namespace) -> Stepper:
    from fathom.reference import Model
    from fathom.train.machine import default_dtype, pick_device
    from fathom.train.network import Micro, Network
    from fathom.train.optim import Optimizer
    from fathom.train.passes import Passes
    from fathom.train.recipe import BalanceRecipe, RateRecipe

    rate, alpha = RateRecipe(), BalanceRecipe().late
    device = pick_device()
    dtype = default_dtype(device)
    model = Model(ModelConfig.load(args.folder))
    network = Network(model, dtype)  # compiled on a GPU only
    optimizer = Optimizer(model, rate.matrices, rate.decay, rate.momentum)
    tokens, length = batch(args, model.config.vocab_size), args.length
    n = args.rows * length
    micro = Micro(
        tokens=tokens[:, :-1].reshape(1, n),
        targets=tokens[:, 1:].flatten(),
        weight=torch.full((n,), 1 / (n * args.micros)),
        position=torch.arange(length, dtype=torch.int32).repeat(args.rows),
        spans=torch.arange(args.rows, dtype=torch.int32).repeat_interleave(length),
        length=length,
        share=1 / args.micros,
    )

    passes = Passes(Passes.lanes_of(device))

    def backward(count: int) -> Tensor:
        passed = passes(network, [micro] * count, alpha)
        return torch.stack([loss for loss, _, _ in passed]).mean() * args.micros

    def update() -> None:
        optimizer.clip(rate.clip)
        optimizer.step(1e-4)
        optimizer.clear()

    about = {"dtype": str(dtype), "compile": False, "optimizer": rate.matrices, "balance": alpha}
    return Stepper(about, backward, update)


def transformers_with(
    args: argparse.Namespace, precision: str, experts: str, attention: str, *, compiled: bool
) -> Stepper:
    import transformers

    raw = json.loads((args.folder / "config.json").read_text("utf-8"))
    kept = {k: v for k, v in raw.items() if k not in ("architectures", "torch_dtype", "quantization_config")}
    model = transformers.DeepseekV2ForCausalLM._from_config(
        transformers.DeepseekV2Config(**kept),
        attn_implementation=attention,
        experts_implementation=experts,
        dtype=torch.bfloat16 if precision == "bf16" else torch.float32,
    )
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    call = torch.compile(model, dynamic=False) if compiled else model
    tokens = batch(args, model.config.vocab_size)
    inputs, targets = tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()

    def backward(count: int) -> Tensor:
        losses = []
        for _ in range(count):
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "autocast"):
                loss = call(input_ids=inputs, labels=inputs, shift_labels=targets, use_cache=False).loss
            (loss / args.micros).backward()
            losses.append(loss.detach())
        return torch.stack(losses).mean()

    def update() -> None:
        optimizer.step()
        optimizer.zero_grad()

    about = {"precision": precision, "experts": experts, "attention": attention, "compile": compiled}
    return Stepper(about, backward, update)


def load_transformers(args: argparse.Namespace) -> Stepper:
    """The fastest of all settings, with what each took."""
    import transformers
    from transformers.integrations.moe import ALL_EXPERTS_FUNCTIONS

    tried: dict[str, str] = {}

    def seconds(setting: tuple[str, str, str], *, compiled: bool) -> float:
        name = ", ".join(setting) + (", compiled" if compiled else "")
        try:
            stepper = transformers_with(args, *setting, compiled=compiled)
            step(stepper, 1)
            took = step(stepper, 1)["cpu_s" if args.busy else "wall_s"]
        except Exception as error:  # kernels for a GPU only, what the compiler can't do
            tried[name] = f"{type(error).__name__}: {str(error).splitlines()[0][:80]}"
            return float("inf")
        finally:
            gc.collect()
        tried[name] = f"{took:.2f} s"
        print("transformers", name, tried[name], file=sys.stderr, flush=True)
        return took

    raw = ModelConfig.load(args.folder)
    slots = args.rows * args.length * (raw.num_experts_per_tok or 0)
    gathered = slots * 2 * raw.hidden_size * raw.moe_intermediate_size * 2  # gate and up of each slot, bytes
    names = ["eager", *ALL_EXPERTS_FUNCTIONS.valid_keys()]
    if gathered > ROOM:
        names.remove("batched_mm")
        tried["batched_mm"] = f"gathers {gathered / 2**30:.1f} GiB of weights a layer: not tried"
    plain = {
        setting: seconds(setting, compiled=False)
        for setting in itertools.product(("autocast", "bf16"), names, ("sdpa",))
    }
    best = min(plain, key=plain.__getitem__)
    eager = (*best[:2], "eager")
    plain[eager] = seconds(eager, compiled=False)
    fastest = sorted(plain, key=plain.__getitem__)[: 2 if args.compile else 0]
    times = {(setting, False): took for setting, took in plain.items()}
    times |= {(setting, True): seconds(setting, compiled=True) for setting in fastest}
    best, compiled = min(times, key=times.__getitem__)
    stepper = transformers_with(args, *best, compiled=compiled)
    about = {"version": transformers.__version__, **stepper.about, "optimizer": "adamw, fused", "tried": tried}
    return stepper._replace(about=about)


def step(stepper: Stepper, micros: int) -> Figures:
    """One step: seconds and CPU seconds of it, and of forward and backward alone."""
    wall, cpu = time.perf_counter(), time.process_time()
    loss = stepper.backward(micros).item()
    half_wall, half_cpu = time.perf_counter() - wall, time.process_time() - cpu
    stepper.update()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"wall_s": wall, "cpu_s": cpu, "backward_wall_s": half_wall, "backward_cpu_s": half_cpu, "loss": loss}


LOADERS = {"fathom": load_fathom, "transformers": load_transformers}


def serve(args: argparse.Namespace) -> None:
    """A worker: loads, warms up, then measures the peak of products and takes a step for each line."""
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    stepper = LOADERS[args.worker](args)
    for _ in range(2):
        step(stepper, 1)
    print(json.dumps(stepper.about), flush=True)
    for _ in sys.stdin:
        peak = products(args)
        print(json.dumps({**step(stepper, args.micros), "peak": peak}), flush=True)


def products(args: argparse.Namespace) -> float:
    """Floating-point operations a second of large bfloat16 products, the best of three."""
    a, b = (torch.randn(2048, 2048).bfloat16() for _ in range(2))
    clock, seconds = time.process_time if args.busy else time.perf_counter, []
    for _ in range(4):  # the first one warms up
        began = clock()
        torch.mm(a, b)
        seconds.append(clock() - began)
    return 2 * 2048**3 / min(seconds[1:]) * (args.threads if args.busy else 1)


class Worker:
    def __init__(self, name: str) -> None:
        command = [sys.executable, *sys.argv, "--worker", name]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.about: dict[str, Any] = self._line()

    def run(self) -> Figures:
        assert self.process.stdin is not None
        print(file=self.process.stdin, flush=True)
        return self._line()

    def _line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            sys.exit("a worker failed")
        return dict(json.loads(line))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=MINI, help="with a config.json")
    parser.add_argument("--rows", type=int, default=4, help="of a micro-batch")
    parser.add_argument("--length", type=int, default=1024)
    parser.add_argument("--micros", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--no-compile", dest="compile", action="store_false", help="don't try it for transformers")
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--worker", choices=LOADERS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        return serve(args)
    workers = {name: Worker(name) for name in reversed(LOADERS)}
    rounds: dict[str, list[Figures]] = {name: [] for name in LOADERS}
    for _ in range(args.rounds):
        for name, each in rounds.items():
            if not args.busy:
                wait_for_quiet()
            with Others(workers[name].process.pid) as others:
                figures = workers[name].run()
            each.append({**figures, "other_cpu_percent": others.percent or 0.0})
            print(name, json.dumps(each[-1]), file=sys.stderr, flush=True)
    report(args, {name: worker.about for name, worker in workers.items()}, rounds)


def report(args: argparse.Namespace, about: dict[str, Any], rounds: dict[str, list[Figures]]) -> None:
    from fathom.model.program import build_program

    clock = "cpu" if args.busy else "wall"
    tokens = args.rows * args.length * args.micros
    work = 3 * build_program(ModelConfig.load(args.folder)).flops(args.length // 2, "expanded")
    peak = max(r["peak"] for rows in rounds.values() for r in rows)

    def middle(name: str, key: str) -> float:
        return statistics.median(r[key] for r in rounds[name])

    def ratio(key: str) -> float:
        pairs = zip(rounds["transformers"], rounds["fathom"], strict=True)
        return round(statistics.median(theirs[key] / ours[key] for theirs, ours in pairs), 3)

    cores = args.threads if args.busy else 1  # CPU seconds of all threads are seconds of so many
    rate = {name: tokens * cores / middle(name, f"{clock}_s") for name in rounds}
    result = {
        "rows": args.rows, "length": args.length, "micros": args.micros,
        "threads": args.threads, "rounds": args.rounds, "clock": clock,
        "torch": torch.__version__, "level": torch.backends.cpu.get_cpu_capability(), **about,
        "ratio": ratio(f"{clock}_s"), "ratio_forward_backward": ratio(f"backward_{clock}_s"),
        "tok_s": {name: round(x, 1) for name, x in rate.items()},
        "loss": {name: round(middle(name, "loss"), 3) for name in rounds},
        "mflop_per_token": round(work / 1e6, 1), "peak_tflop_s": round(peak / 1e12, 4),
        "tflop_s": {name: round(x * work / 1e12, 4) for name, x in rate.items()},
        "peak_fraction": {name: round(x * work / peak, 3) for name, x in rate.items()},
        "other_cpu_percent": max(r["other_cpu_percent"] for rows in rounds.values() for r in rows),
    }  # fmt: skip
    print(json.dumps(result))


if __name__ == "__main__":
    main()
