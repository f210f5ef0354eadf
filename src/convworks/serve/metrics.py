"""What Prometheus reads from /metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

if TYPE_CHECKING:
    from convworks.serve.batcher import Batcher

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)
IMAGES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The metrics of a server, in a registry of their own."""

    def __init__(self, ready: Callable[[], bool]) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter("convworks_requests", "Requests answered.", ("route", "status"), registry=registry)
        self.seconds = Histogram(
            "convworks_request_seconds", "From the head of a request to its answer.", ("route",),
            buckets=SECONDS, registry=registry,
        )  # fmt: skip
        self.images = Counter("convworks_images", "Images answered.", ("model",), registry=registry)
        self.waiting = Histogram(
            "convworks_queue_seconds", "Waiting before a batch.", ("model",), buckets=SECONDS, registry=registry
        )
        self.computing = Histogram(
            "convworks_batch_seconds", "Computing a batch.", ("model",), buckets=SECONDS, registry=registry
        )
        self.batches = Histogram(
            "convworks_batch_images", "Images of a batch.", ("model",), buckets=IMAGES, registry=registry
        )
        self.dropped = Counter(
            "convworks_dropped", "Requests dropped: left, deadline or full.", ("model", "reason"), registry=registry
        )
        self.deaths = Counter("convworks_worker_deaths", "Workers that died.", ("model",), registry=registry)
        self.reloads = Counter("convworks_reloads", "Reloads: done or failed.", ("model", "result"), registry=registry)
        self.queue = Gauge("convworks_queue_images", "Images that wait.", ("model",), registry=registry)
        Gauge("convworks_ready", "Whether the server is ready.", registry=registry).set_function(lambda: float(ready()))

    def watch(self, name: str, batcher: Batcher) -> None:
        """Let the length of a queue be read."""
        self.queue.labels(name).set_function(lambda: batcher.images)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' format."""
        return generate_latest(self.registry)
