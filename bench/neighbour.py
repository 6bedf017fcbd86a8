"""One other process burns a core: what is left of the speed of prefill and of decode.

    python bench/neighbour.py [--model M | --dummy NAME] [--format F] [--prompt-tokens 256] [--decode-tokens 32]
                              [--rounds 5] [--threads N]

Quiet and disturbed rounds take turns, the other process sleeps (SIGSTOP) in the quiet ones. Ratios are speed beside it
over quiet speed. The last line is one JSON object.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from claim import arguments, finish, loaded, median_ratio
from fathom.bench.bench import Bench
from fathom.bench.quiet import STAT, own_ticks
from fathom.bench.requests import run

# Ends with its parent, whatever becomes of that one.
BURN = "import os; parent = os.getppid()\nwhile os.getppid() == parent:\n  for _ in range(1_000_000): pass"
AWAKE = 0.3  # seconds that it burns before a round: the scheduler of the system has then seen it


class Neighbour:
    """A process that burns a core inside ``with neighbour.burning()``."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-c", BURN])
        self.pid = self._process.pid
        self._ticks, self._seconds = 0, 0.0
        self._stop()

    @contextmanager
    def burning(self) -> Iterator[None]:
        os.kill(self.pid, signal.SIGCONT)
        time.sleep(AWAKE)
        ticks, started = self._used(), time.monotonic()
        try:
            yield
        finally:
            self._ticks += self._used() - ticks
            self._seconds += time.monotonic() - started
            self._stop()

    @property
    def cores(self) -> float | None:
        """How many it had, on average."""
        return round(self._ticks / os.sysconf("SC_CLK_TCK") / self._seconds, 2) if STAT.exists() else None

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def _stop(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def _used(self) -> int:
        return own_ticks(self.pid) if STAT.exists() else 0


def measure(bench: Bench, neighbour: Neighbour, prompt_tokens: int, decode_tokens: int, rounds: int) -> dict[str, Any]:
    """Medians; a step of a round is the mean of its steps, since a disturbed one is now fast, now slow."""
    bench.warm_up(prompt_tokens)
    kinds = ("quiet", "beside")
    first: dict[str, list[float]] = {kind: [] for kind in kinds}
    step: dict[str, list[float]] = {kind: [] for kind in kinds}
    for number in range(rounds):
        bench.wait()
        bench.read()
        for at, kind in enumerate(kinds):
            prompts = [bench.tokens(prompt_tokens, seed=2 * number + at)]
            if kind == "quiet":
                done = run(bench, prompts, decode_tokens + 1)
            else:
                with neighbour.burning():
                    done = run(bench, prompts, decode_tokens + 1)
            first[kind].append(done.first)
            step[kind].append(statistics.fmean(took for took, _ in done.steps()))
    return {
        **bench.facts("neighbour"),
        "prompt_tokens": prompt_tokens,
        "decode_tokens": decode_tokens,
        "rounds": rounds,
        "decode_ratio": median_ratio(step["quiet"], step["beside"]),
        "prefill_ratio": median_ratio(first["quiet"], first["beside"]),
        "decode_tok_s": {kind: round(1 / statistics.median(step[kind]), 2) for kind in kinds},
        "prefill_tok_s": {kind: round(prompt_tokens / statistics.median(first[kind]), 2) for kind in kinds},
        "neighbour_cores": neighbour.cores,
        **bench.conditions(),
    }


def lines(result: dict[str, Any]) -> list[str]:
    return [
        *(
            f"{kind}: {result[f'{kind}_ratio']:.1%} of quiet speed, {result[f'{kind}_tok_s']['beside']} "
            f"beside {result[f'{kind}_tok_s']['quiet']} tokens/s"
            for kind in ("decode", "prefill")
        ),
        f"the other process had {result['neighbour_cores']} cores of {os.cpu_count()}",
    ]


def main(argv: Sequence[str] | None = None) -> None:
    parser = arguments(__doc__, rounds=5)
    parser.add_argument("--prompt-tokens", type=int, default=256)
    parser.add_argument("--decode-tokens", type=int, default=32)
    args = parser.parse_args(argv)
    llm = loaded(args, args.prompt_tokens + args.decode_tokens + 1)
    neighbour = Neighbour()
    try:
        bench = Bench(llm, neighbour.pid)
        result = measure(bench, neighbour, args.prompt_tokens, args.decode_tokens, args.rounds)
    finally:
        neighbour.close()
    finish(result, lines(result))


if __name__ == "__main__":
    main()
