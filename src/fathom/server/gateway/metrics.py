"""What the gateway tells Prometheus: numbers by route, status and type of entity, never a text."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["GatewayMetrics"]

_OWN_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5)
_FIRST_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160)
_WHOLE_S = (0.1, 0.3, 0.5, 1, 2, 5, 10, 20, 40, 60, 120, 240, 480, 960, 1920)


class GatewayMetrics:
    """Of one application."""

    media_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        name = "fathom_gateway_"
        self._requests = Counter(f"{name}requests", "Answered requests.", ["route", "status"], registry=registry)
        self._masked = Counter(f"{name}masked_entities", "Masked in requests.", ["type"], registry=registry)
        self._leaks = Counter(
            f"{name}leaks", "Found in answers and not supplied by the user.", ["type"], registry=registry
        )
        self._unknown = Counter(
            f"{name}unknown_placeholders", "In answers, of no value of the request.", registry=registry
        )
        self.running = Gauge(f"{name}requests_running", "Requests that are on their way.", registry=registry)
        self.masking = Histogram(f"{name}masking_seconds", "Masking a request.", registry=registry, buckets=_OWN_S)
        self.first = Histogram(
            f"{name}upstream_first_byte_seconds", "To the upstream's headers.", registry=registry, buckets=_FIRST_S
        )
        self.whole = Histogram(
            f"{name}request_seconds", "From arrival to the end.", registry=registry, buckets=_WHOLE_S
        )

    def ended(
        self,
        route: str,
        status: int,
        masked: Mapping[str, int],
        leaks: Mapping[str, int],
        unknown: int,
        took_s: float,
    ) -> None:
        self._requests.labels(route, str(status)).inc()
        for type, count in masked.items():
            self._masked.labels(type).inc(count)
        for type, count in leaks.items():
            self._leaks.labels(type).inc(count)
        self._unknown.inc(unknown)
        self.whole.observe(took_s)

    def page(self) -> bytes:
        return generate_latest(self._registry)
