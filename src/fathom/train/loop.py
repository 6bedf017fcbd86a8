"""The one training loop: pre-training and fine-tuning differ in where they start and in which tokens they learn.

No step waits for the device: losses stay there until the next line of the log. State that decides the next step is the
step number, the optimiser's tensors and the weights, so N steps equal k, a resume and N - k, bit for bit on a CPU.
"""

from __future__ import annotations

import gc
import hashlib
import json
import math
import platform
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..config import ModelConfig
from ..data.batches import Batches, Phase
from ..data.tokens import TokenSet
from ..errors import Both, FathomError
from ..files import reason
from ..reference import Model, load_model
from .check import answers, bits_per_byte
from .export import export, exported_step
from .feed import Feed
from .log import Log
from .machine import MICRO_TOKENS, default_dtype, pick_device, product_peak
from .network import Network, uses_varlen
from .optim import Optimizer
from .passes import Passes
from .prompts import Prompts
from .recipe import Recipe
from .schedule import balance_at, phase_at, rate_at
from .sources import open_sets
from .state import keep_last, latest, load_state, read_facts, save_state

__all__ = ["Outcome", "Trainer"]

Say = Callable[[str], None]
_CHUNK = {"cuda": 16384, "cpu": 1024}  # tokens of logits at a time
_AGREE = 0.02  # relative: compiled and plain loss of the first micro-batch


@dataclass(frozen=True)
class Outcome:
    finished: bool  # else stopped early, with a checkpoint
    step: int
    checkpoint: Path
    exported: Path | None
    bits_per_byte: dict[str, float]


@dataclass
class _Progress:
    """Where a run is."""

    step: int
    phase_steps: list[int]  # taken in each phase
    elapsed: float  # seconds in the loop, over all calls


@dataclass
class _Taken:
    """A step whose numbers are still on the device."""

    line: dict[str, Any]
    loss: Tensor
    norm: Tensor
    balance: Tensor
    loads: list[Tensor]
    tokens: int


class Trainer:
    """A run in a folder: made new, or continued from its newest checkpoint.

    Raises ``train_differs`` where data or tokenizer are not those the run began with.
    """

    def __init__(self, recipe: Recipe, folder: Path, objective: str, say: Say) -> None:
        self.recipe, self.folder, self.say = _resolved(recipe, objective), folder, say
        run, source = recipe.run, Path(recipe.model.folder)
        self.device = pick_device()
        self.dtype = default_dtype(self.device) if run.dtype == "auto" else getattr(torch, run.dtype)
        torch.manual_seed(run.seed)
        self.tokenizer_hash = _file_hash(source / "tokenizer.json")
        self.sets = open_sets(recipe, folder)
        self.batches = self._batches()
        fresh = recipe.model.fresh
        self.model = _fresh(ModelConfig.load(source)) if fresh else load_model(source)
        self._check_vocabulary()
        self.model.to(self.device)
        rate = recipe.rate
        self.optimizer = Optimizer(self.model, rate.matrices, rate.decay, rate.momentum)
        self.plain = Network(self.model, self.dtype, chunk=_CHUNK[self.device.type])
        self.network = self.plain
        self.passes = Passes(1 if run.compile == "on" else Passes.lanes_of(self.device))
        self.prompts = Prompts(source, recipe.check.prompts)
        self.log = Log(folder / "metrics.jsonl")
        self.progress = _Progress(0, [0] * len(recipe.phase), 0.0)
        self._pending: list[_Taken] = []
        self._stop = threading.Event()
        self._start()

    def train(self, max_minutes: float | None = None) -> Outcome:
        """Steps until the schedule is over, ``max_minutes`` are up or SIGTERM comes; always leaves a checkpoint."""
        run, began = self.recipe.run, time.monotonic()
        before, saved, marked = self.progress.elapsed, began, began
        ends = uses_varlen(self.device, self.dtype)
        feed = Feed(self.batches, run.micro_tokens or MICRO_TOKENS[self.device.type], self.device, ends=ends)
        try:
            with self._signals(), _no_collections():
                if self._over() < 1.0:
                    self._compile(feed)
                while self._over() < 1.0 and not self._stop.is_set():
                    self._step(feed)
                    now = time.monotonic()
                    self.progress.elapsed = before + now - began
                    if self.progress.step % run.log_steps == 0:
                        marked = self._flush(marked)
                    if max_minutes is not None and now - began >= max_minutes * 60:
                        break
                    if now - saved >= run.save_minutes * 60:
                        marked = self._flush(marked)
                        self.save()
                        saved = time.monotonic()
                    self._look()
                self._flush(marked)
        finally:
            feed.close()
            self.passes.close()
        checkpoint = self.save()
        self._tell_repeats()
        if self._over() < 1.0:
            return Outcome(False, self.progress.step, checkpoint, None, {})
        return Outcome(True, self.progress.step, checkpoint, self._export(), self._measure(last=True))

    def save(self) -> Path:
        facts = {**self._identity(), **asdict(self.progress), "recipe": asdict(self.recipe)}
        folder = self.folder / "checkpoints"
        path = save_state(folder, self.progress.step, self.model, self.optimizer, facts)
        keep_last(folder, self.recipe.run.keep)
        return path

    def _batches(self) -> Batches:
        recipe = self.recipe
        phases = [Phase(p.shares, p.length, p.rows, bool(p.assistant_only)) for p in recipe.phase]
        batches = Batches(self.sets, phases, recipe.run.seed)
        ends = [0.0, *(p.until for p in recipe.phase)]
        steps = [round((b - a) * recipe.run.steps) for a, b in pairwise(ends)]
        batches.refuse_repeats(steps, recipe.data.max_repeats)
        return batches

    def _tell_repeats(self) -> None:
        """A run by the clock may see more of a set than was computed from ``steps``."""
        limit = self.recipe.data.max_repeats
        over = {n: times for n, times in self.batches.repeats(self.progress.phase_steps).items() if times > limit}
        if over:
            told = ", ".join(f"{name} {times:.1f}" for name, times in over.items())
            self.say(f"seen more often than data.max_repeats = {limit:g} allows: {told}; run.steps was too low a guess")

    def _check_vocabulary(self) -> None:
        for name, tokens in self.sets.items():
            if tokens.tokenizer != self.tokenizer_hash:
                raise FathomError(
                    "train_differs",
                    what=f"tokenizer of {name}",
                    found=tokens.tokenizer[:12],
                    expected=self.tokenizer_hash[:12],
                )

    def _identity(self) -> dict[str, str]:
        """What a run must keep to be the same run."""
        return {"data": self.batches.hash, "tokenizer": self.tokenizer_hash}

    def _start(self) -> None:
        """Picks up the newest checkpoint, if there is one, and writes down what is run."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = latest(self.folder / "checkpoints")
        if path is not None:
            facts = read_facts(path)
            for what, expected in self._identity().items():
                if facts.get(what) != expected:
                    raise FathomError(
                        "train_differs", what=what, found=expected[:12], expected=str(facts.get(what))[:12]
                    )
            load_state(path, self.model, self.optimizer)
            self.progress = _Progress(facts["step"], facts["phase_steps"], facts["elapsed"])
            self.say(f"resumed at step {self.progress.step} from {path.name}")
        self.log.resume(self.progress.step)
        self.peak = product_peak(self.device, self.dtype)
        note = {
            "recipe": asdict(self.recipe),
            **self._identity(),
            "device": torch.cuda.get_device_name() if self.device.type == "cuda" else platform.processor(),
            "torch": torch.__version__,
            "dtype": str(self.dtype),
            "peak_flops": self.peak,
            "parameters": sum(p.numel() for p in self.model.parameters()),
        }
        (self.folder / "run.json").write_text(json.dumps(note, ensure_ascii=False, indent=1) + "\n", "utf-8")

    def _over(self) -> float:
        """Share of the run that is over."""
        run = self.recipe.run
        if run.minutes is None:
            return self.progress.step / run.steps
        return self.progress.elapsed / (run.minutes * 60)

    def _compile(self, feed: Feed) -> None:
        """Compiled blocks where they pay and agree with the plain ones on the first micro-batch."""
        run = self.recipe.run
        wanted = run.compile == "on" or (run.compile == "auto" and self.device.type == "cuda")
        if not wanted or self.dtype != torch.bfloat16:  # grouped products trace in bfloat16 only
            return
        phase = phase_at(self.recipe.phase, self._over())
        micro = feed.step(phase, self.progress.phase_steps[phase])[0]
        fast = Network(self.model, self.dtype, compiled=True, chunk=_CHUNK[self.device.type])
        began = time.monotonic()
        try:
            loss, balance, _ = fast.loss(micro)
            (loss + balance).backward()
            found = loss.item()
        except Exception as error:  # whatever the compiler could not do: the plain network can
            self.say(f"not compiled: {type(error).__name__}: {str(error)[:300]}")
            return
        finally:
            self.optimizer.clear()
        with torch.no_grad():
            expected = self.plain.loss(micro)[0].item()
        if not abs(found - expected) <= _AGREE * abs(expected):
            self.say(f"not compiled: loss {found:.4f}, plain {expected:.4f}")
            return
        self.say(f"compiled in {time.monotonic() - began:.0f} s; loss {found:.4f}, plain {expected:.4f}")
        self.network = fast

    def _step(self, feed: Feed) -> None:
        recipe, progress = self.recipe, self.progress
        over = self._over()
        phase = phase_at(recipe.phase, over)
        rate, alpha = rate_at(recipe.rate, progress.step, over), balance_at(recipe.balance, over)
        micros = feed.step(phase, progress.phase_steps[phase])
        self.optimizer.clear()
        passed = self.passes(self.network, micros, alpha)
        losses = [loss for loss, _, _ in passed]
        balances = [balance * micro.share for (_, balance, _), micro in zip(passed, micros, strict=True)]
        loads = passed[-1][2]
        norm = self.optimizer.clip(recipe.rate.clip)
        self.optimizer.step(rate)
        line = {"step": progress.step, "phase": phase, "rate": rate, "progress": round(over, 5)}
        tokens = sum(micro.tokens.numel() for micro in micros)
        self._pending.append(_Taken(line, _sum(losses), norm, _sum(balances), loads, tokens))
        progress.step += 1
        progress.phase_steps[phase] += 1

    def _flush(self, since: float) -> float:
        """Fetches the numbers of the pending steps, checks and writes them; the moment it did so."""
        pending, self._pending = self._pending, []
        if not pending:
            return since
        numbers = torch.stack([torch.stack([t.loss, t.norm, t.balance]) for t in pending]).tolist()
        load = torch.stack(pending[-1].loads).tolist() if pending[-1].loads else []
        now = time.monotonic()
        lines: list[dict[str, Any]] = []
        for taken, (loss, norm, balance) in zip(pending, numbers, strict=True):
            if not math.isfinite(loss) or not math.isfinite(norm):
                self.log.write(lines)
                kept = latest(self.folder / "checkpoints")
                raise FathomError("train_diverged", step=taken.line["step"], kept=kept.name if kept else "none")
            lines.append({**taken.line, "loss": loss, "norm": norm, "balance": balance})
        speed = sum(taken.tokens for taken in pending) / max(now - since, 1e-9)
        length = self.recipe.phase[lines[-1]["phase"]].length
        work = 3 * self.model.program.flops(length // 2, "expanded")  # forward and twice that backward
        lines[-1] |= {"tokens_per_s": speed, "mfu": speed * work / self.peak, "elapsed": self.progress.elapsed}
        lines[-1] |= {"load": [[round(x, 3) for x in layer] for layer in load]}
        self.log.write(lines)
        self.say(_told(lines, self._over(), self.progress.elapsed))
        return now

    def _look(self) -> None:
        every = self.recipe.check.every_steps
        if every and self.progress.step % every == 0 and self._over() < 1.0:
            self._measure(last=False)

    def _measure(self, *, last: bool) -> dict[str, float]:
        """Held-out bits per byte and answers to the fixed prompts, into their files."""
        check, step = self.recipe.check, self.progress.step
        found = {name: self._held_out(self.sets[name]) for name in check.heldout}
        if found:
            self.say(f"step {step} bits per byte " + ", ".join(f"{name} {value:.4f}" for name, value in found.items()))
            Log(self.folder / "heldout.jsonl").write([{"step": step, **found}])
        for temperature in (0.0, 0.7) if last else (0.7,):
            if check.prompts:
                ids = answers(
                    *(self.plain, self.prompts.ids, check.sample_tokens, self.prompts.stop),
                    temperature=temperature,
                    seed=step,
                )
                pairs = [{"prompt": p, "answer": self.prompts.text(a)} for p, a in zip(check.prompts, ids, strict=True)]
                Log(self.folder / "samples.jsonl").write([{"step": step, "temperature": temperature, "answers": pairs}])
        return found

    def _held_out(self, tokens: TokenSet) -> float:
        documents = [tokens.tokens[a:b] for a, b in pairwise(tokens.offsets)]
        config = self.model.config
        controls = [config.bos_token_id or 0, *config.eos_token_ids]
        nbytes = int(str(tokens.meta["bytes"]))
        return float(bits_per_byte(self.plain, documents, nbytes, self.recipe.check.length, controls))

    def _export(self) -> Path:
        target, step = self.folder / "model", self.progress.step
        if exported_step(target) == step:
            return target
        if target.exists():  # of an earlier end of this run, which was given more steps since
            shutil.rmtree(target)
        return export(self.model, Path(self.recipe.model.folder), target, self.recipe.run.shard_mb, step=step)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGTERM and Ctrl-C end the run after the step, with a checkpoint."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        kinds = (signal.SIGTERM, signal.SIGINT)
        old = [signal.signal(kind, lambda *_: self._stop.set()) for kind in kinds]
        try:
            yield
        finally:
            for kind, handler in zip(kinds, old, strict=True):
                signal.signal(kind, handler)


def _resolved(recipe: Recipe, objective: str) -> Recipe:
    """``sft`` starts from weights and learns answers unless a phase says otherwise; ``pretrain`` learns all tokens."""
    if objective == "sft" and recipe.model.fresh:
        problem = Both("fine-tuning starts from weights", "微调须从已有权重开始")
        raise FathomError("recipe_invalid", path="recipe", key="model.fresh", problem=problem)
    answers_only = objective == "sft"
    phases = [
        replace(p, assistant_only=answers_only if p.assistant_only is None else p.assistant_only) for p in recipe.phase
    ]
    return replace(recipe, phase=tuple(phases))


def _fresh(config: ModelConfig) -> Model:
    """New weights; what writes into the residual stream starts smaller the deeper the network (GPT-2, 2.3)."""
    model = Model(config)
    scale = 1 / math.sqrt(2 * config.num_hidden_layers)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "o_proj" in name or "down_proj" in name:
                parameter.mul_(scale)
    return model


def _file_hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise FathomError("file_unreadable", path=path, problem=reason(error)) from None


def _sum(values: list[Tensor]) -> Tensor:
    return torch.stack(values).sum()


def _told(lines: list[dict[str, Any]], over: float, elapsed: float) -> str:
    last = lines[-1]
    loss = sum(line["loss"] for line in lines) / len(lines)
    most = max((max(layer) for layer in last["load"]), default=1.0)
    left = elapsed / max(over, 1e-9) * (1 - over) if over > 0 else 0.0
    return (
        f"step {last['step'] + 1} {over:.1%} loss {loss:.3f} rate {last['rate']:.2e} norm {last['norm']:.2f} "
        f"load max/mean {most:.2f} {last['tokens_per_s'] / 1e3:.1f}k tok/s mfu {last['mfu']:.1%} "
        f"left {int(left) // 60}:{int(left) % 60:02d}"
    )


@contextmanager
def _no_collections() -> Iterator[None]:
    """The garbage collector off: it finds nothing here and costs half a second at a time."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
