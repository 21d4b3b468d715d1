"""The parts that every door of the gateway stands on: the way out, the checks, and the reception between them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from config.register import Register
from config.settings import Settings
from sensors.gateway.checks import Checks
from sensors.gateway.gather import Gatherer
from sensors.gateway.health import Health
from sensors.gateway.metrics import Metrics
from sensors.gateway.outlet import Outlet
from sensors.gateway.picture import Picture
from sensors.gateway.reception import Reception
from sensors.limits import Rate
from sensors.spool import Spool


class SettingsError(ValueError):
    """A setting that the gateway needs is missing; the message says which."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What one gateway process is made of."""

    outlet: Outlet
    checks: Checks
    gatherer: Gatherer
    metrics: Metrics
    reception: Reception
    picture: Picture | None

    def use(self, register: Register) -> None:
        """Check against this register from now on; it is the one before, grown."""
        self.reception.health.use(register)
        self.gatherer.shard = register.shard  # first: what is checked against the new one must find its shard
        self.checks.use(register)


def parts(
    settings: Settings, register: Register, spool: Path, zone: str = "UTC", clock: Callable[[], float] = time.time
) -> Parts:
    """The parts of a process with its ``spool`` folder; ``zone`` is that of times that come without one, ``clock``
    gives seconds since 1970.

    Raises ``SettingsError`` without ``settings.kafka``, and ``LogError`` when another process has the spool.
    """
    if settings.kafka is None:
        raise SettingsError("CITYBRAIN_KAFKA is not set; set it to host:port, or use `citybrain demo` or `run all`")
    kept = Spool(spool, settings.spool_limit_bytes)
    outlet = Outlet(settings.kafka, kept)
    metrics = Metrics(lambda: kept.waiting, settings.unknown == "quarantine")
    checks = Checks(register, settings.future_tolerance_s * 1000)
    gatherer = Gatherer(outlet, settings.city, register.shard, settings.linger_ms / 1000)
    rate = Rate(settings.rate_limit)
    health = Health(register)
    reception = Reception(rate, checks, gatherer, metrics, health, settings.batch_limit, zone, clock)
    picture = Picture(settings.redis.get_secret_value(), settings.city) if settings.redis else None
    return Parts(outlet, checks, gatherer, metrics, reception, picture)
