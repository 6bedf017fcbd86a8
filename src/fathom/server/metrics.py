"""What the server tells Prometheus: vLLM's names and meanings, so that dashboards made for it work here.

Everything but the engine's own state is counted in the event loop, a generation at a time. A generation is what vLLM
calls a request: one that asks for ``n`` answers counts ``n`` times. Numbers only, never a text.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from ..engine.generation import FinishReason, Generation, Item, Token

if TYPE_CHECKING:
    from ..engine.scheduler import Scheduler

__all__ = ["Metrics", "Watch"]

_REASONS = {"stop": "stop", "length": "length", "deadline": "length", "cancelled": "abort", "error": "error"}
_FIRST_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640)
_STEP_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80)
_REQUEST_S = (0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680)
_TOKENS = tuple(digit * 10**power for power in range(6) for digit in (1, 2, 5))


class Metrics:
    """Of one application. ``scheduler`` is asked at each scrape and has none while the model loads."""

    media_type = CONTENT_TYPE_LATEST

    def __init__(self, model_name: str, scheduler: Callable[[], Scheduler | None]) -> None:
        self._registry = registry = CollectorRegistry()
        self._model_name = model_name
        registry.register(_State(model_name, scheduler))

        def counter(name: str, what: str) -> Counter:
            return Counter(f"vllm:{name}", what, ["model_name"], registry=registry).labels(model_name)

        def histogram(name: str, what: str, buckets: Sequence[float]) -> Histogram:
            labelled = Histogram(f"vllm:{name}", what, ["model_name"], registry=registry, buckets=buckets)
            return labelled.labels(model_name)

        self.prompt_tokens = counter("prompt_tokens", "Prompt tokens processed, those found in the cache too.")
        self.generation_tokens = counter("generation_tokens", "Tokens generated.")
        self.queried = counter("prefix_cache_queries", "Prompt tokens looked up in the prefix cache.")
        self.hits = counter("prefix_cache_hits", "Prompt tokens found in the prefix cache.")
        self.success = Counter(
            "vllm:request_success", "Requests by how they ended.", ["model_name", "finished_reason"], registry=registry
        )
        for reason in _REASONS.values():
            self.success.labels(model_name, reason)
        self.first = histogram("time_to_first_token_seconds", "From arrival to the first token.", _FIRST_S)
        self.step = histogram("inter_token_latency_seconds", "Between two tokens of an answer.", _STEP_S)
        self.whole = histogram("e2e_request_latency_seconds", "From arrival to the end.", _REQUEST_S)
        self.queue = histogram("request_queue_time_seconds", "Waiting for a place.", _REQUEST_S)
        self.prefill = histogram("request_prefill_time_seconds", "From the place to the first token.", _REQUEST_S)
        self.decode = histogram("request_decode_time_seconds", "From the first token to the last.", _REQUEST_S)
        self.prompt = histogram("request_prompt_tokens", "Prompt tokens of a request.", _TOKENS)
        self.generated = histogram("request_generation_tokens", "Tokens generated for a request.", _TOKENS)

    def ended(self, reason: str) -> None:
        self.success.labels(self._model_name, _REASONS[reason]).inc()

    def page(self) -> bytes:
        """All figures as text, whatever the client would rather have: OpenMetrics has no colons in names."""
        return generate_latest(self._registry)


class Watch:
    """One generation's way into the metrics: its items as they arrive, then its end, once, whoever ended it."""

    def __init__(self, metrics: Metrics, generation: Generation) -> None:
        self._metrics, self._generation = metrics, generation
        self._last = 0.0  # when the last token arrived
        self._tokens = 0
        self._looked_up = self._ended = False

    def take(self, item: Item) -> None:
        if self._ended:  # at a stop string, while the engine was ahead
            return
        metrics, generation = self._metrics, self._generation
        self._look_up()
        if isinstance(item, Token):
            now = time.monotonic()
            if self._last == 0.0:
                metrics.prompt_tokens.inc(generation.prompt_length)
                metrics.first.observe(now - generation.submitted)
            elif not item.is_end:
                metrics.step.observe(now - self._last)
            self._last = now
            if not item.is_end:
                metrics.generation_tokens.inc()
                self._tokens += 1
        elif item == "length":  # nothing was to be generated
            metrics.prompt_tokens.inc(generation.prompt_length)

    def end(self, reason: FinishReason | Literal["error"]) -> None:
        if self._ended:
            return
        self._look_up()
        self._ended = True
        metrics, g = self._metrics, self._generation
        metrics.ended(reason)
        metrics.whole.observe(time.monotonic() - g.submitted)
        metrics.prompt.observe(g.prompt_length)
        metrics.generated.observe(self._tokens)
        if g.started:
            metrics.queue.observe(g.started - g.submitted)
        if g.first:
            metrics.prefill.observe(g.first - g.started)
            metrics.decode.observe(g.last - g.first)

    def _look_up(self) -> None:
        """The prefix cache was asked when the generation started, unless all its logits were wanted."""
        if self._generation.started and not self._looked_up and not self._generation.scored:
            self._looked_up = True
            self._metrics.queried.inc(self._generation.prompt_length)
            self._metrics.hits.inc(self._generation.cached_tokens)


class _State(Collector):
    """The engine's state at the moment of a scrape."""

    def __init__(self, model_name: str, scheduler: Callable[[], Scheduler | None]) -> None:
        self._labels, self._scheduler = [model_name], scheduler

    def collect(self) -> Iterator[Any]:
        s = self._scheduler()
        running, waiting, preemptions, usage = 0, 0, 0, 0.0
        if s is not None:
            running, waiting, preemptions = len(s.running), len(s.waiting), s.preemptions
            usage = 1 - s.pool.free / s.pool.count
        for name, what, value in (
            ("num_requests_running", "Requests that have a place.", running),
            ("num_requests_waiting", "Requests that wait for a place.", waiting),
            ("kv_cache_usage_perc", "Share of the cache's pages in use; 1 is all.", usage),
        ):
            gauge = GaugeMetricFamily(f"vllm:{name}", what, labels=["model_name"])
            gauge.add_metric(self._labels, value)
            yield gauge
        counter = CounterMetricFamily(
            "vllm:num_preemptions", "Requests that lost their place to an older one.", labels=["model_name"]
        )
        counter.add_metric(self._labels, preemptions)
        yield counter
