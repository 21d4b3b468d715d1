"""What the gateway counts: Prometheus metrics, and each source's tally for the live picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from config.contract import METRICS
from sensors.codecs.columns import Fault
from sensors.gateway.unknown import Quarantine

SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
ACCEPTED = "citybrain_readings_accepted_total"
REJECTED = "citybrain_readings_rejected_total"
REQUEST = "citybrain_request_seconds"
SPOOL = "citybrain_spool_bytes"


@dataclass(slots=True)
class Tally:
    """What one source has sent since this gateway began: readings, when the last came and how late (ms)."""

    accepted: int = 0
    rejected: int = 0
    last: int = 0
    lag_ms: int = 0


class Metrics:
    """The gateway's metrics, in a registry of their own; ``spool`` tells the bytes that wait."""

    def __init__(self, spool: Callable[[], float], quarantine: bool = True) -> None:
        self.registry = CollectorRegistry()
        self.tallies: dict[str, Tally] = {}
        self.quarantine = Quarantine(quarantine)
        self._accepted = Counter(ACCEPTED, METRICS[ACCEPTED], ["source"], registry=self.registry)
        self._rejected = Counter(REJECTED, METRICS[REJECTED], ["source", "reason"], registry=self.registry)
        self._request = Histogram(REQUEST, METRICS[REQUEST], ["route"], buckets=SECONDS, registry=self.registry)
        Gauge(SPOOL, METRICS[SPOOL], registry=self.registry).set_function(spool)

    def took(self, source: str, accepted: int, faults: Sequence[Fault], now_ms: int, newest_ms: int | None) -> None:
        """Count one answered request; ``newest_ms`` is the phenomenon time of its newest reading, if it has one."""
        tally = self.tallies.setdefault(source, Tally())
        self.quarantine.note(source, faults, now_ms)
        tally.accepted += accepted
        tally.last = now_ms
        if newest_ms is not None:
            tally.lag_ms = now_ms - newest_ms
        self._accepted.labels(source).inc(accepted)
        for fault in faults:
            tally.rejected += 1
            self._rejected.labels(source, fault.code).inc()

    def answered(self, route: str, seconds: float) -> None:
        """Count the time one answer took."""
        self._request.labels(route).observe(seconds)

    def page(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)
