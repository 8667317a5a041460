"""What the service counts, in a Prometheus registry of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import prometheus_client as prometheus

__all__ = ["Metrics"]

# From a single row to the longest that a request may take, in seconds.
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


@dataclass
class Metrics:
    """Requests by endpoint and status, their durations, rows, and how many are in progress.

    Nothing here comes from a client's rows, and an address that the service does not know counts as ``other``: a
    client cannot make new series.
    """

    registry: prometheus.CollectorRegistry = field(default_factory=prometheus.CollectorRegistry)

    def __post_init__(self) -> None:
        options: dict[str, Any] = {"namespace": "mixturelab", "registry": self.registry}
        self._requests = prometheus.Counter(
            "requests", "Requests answered.", ["endpoint", "status"], **options
        )
        self._duration = prometheus.Histogram(
            "request_duration_seconds", "From a request's headers to the end of its answer.", ["endpoint"],
            buckets=_BUCKETS, **options,
        )  # fmt: skip
        self._rows = prometheus.Counter("rows", "Rows scored or drawn.", ["endpoint"], **options)
        self.in_progress = 0  # asked for now and then, but changed twice in each request
        gauge = prometheus.Gauge("requests_in_progress", "Requests not answered yet.", **options)
        gauge.set_function(lambda: self.in_progress)
        prometheus.ProcessCollector(registry=self.registry)
        # To look a series up takes longer than to count in it.
        self._known: dict[
            tuple[str, int], tuple[prometheus.Counter, prometheus.Histogram, prometheus.Counter]
        ] = {}

    def describe(self, **model: str) -> None:
        """Say which model is served, as the labels of a series that is always 1."""
        labels = prometheus.Gauge(
            "model_info",
            "The model that is served.",
            list(model),
            namespace="mixturelab",
            registry=self.registry,
        )
        labels.labels(**model).set(1)

    def count(self, endpoint: str, status: int, seconds: float, rows: int) -> None:
        """One request that has been answered."""
        series = self._known.get((endpoint, status)) or self._series(endpoint, status)
        series[0].inc()
        series[1].observe(seconds)
        if rows:
            series[2].inc(rows)

    def _series(
        self, endpoint: str, status: int
    ) -> tuple[prometheus.Counter, prometheus.Histogram, prometheus.Counter]:
        found = (
            self._requests.labels(endpoint, str(status)),
            self._duration.labels(endpoint),
            self._rows.labels(endpoint),
        )
        self._known[endpoint, status] = found
        return found

    def text(self) -> tuple[bytes, str]:
        """All of it in Prometheus's text format, and the content type."""
        return prometheus.generate_latest(self.registry), prometheus.CONTENT_TYPE_LATEST
