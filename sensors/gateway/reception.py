"""One message of any format, taken in: decoded, checked against the register, kept, and told what became of it.

The same reception stands behind every door: HTTP (readings.py, doors.py) and MQTT (sensors/mqtt.py).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from sensors.codecs.base import Codec, Envelope
from sensors.codecs.columns import Columns
from sensors.codecs.errors import Fault, TooMany, Undecodable, Unreadable
from sensors.gateway.checks import Checked, Checks
from sensors.gateway.gather import Gatherer, Intake, letter
from sensors.gateway.health import Health
from sensors.gateway.meaning import beyond, event, readings
from sensors.gateway.metrics import Metrics
from sensors.gateway.outlet import Backpressure
from sensors.limits import Rate
from sensors.problems import Problem
from sensors.tokens import Gateway

NOTHING = Checked(np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0), [])
ROW = "application/json"  # what one row is, in whatever format the batch came


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was kept: ``accepted`` readings and ``events``; ``faults`` are the records refused."""

    accepted: int
    events: int
    faults: list[Fault]
    spooled: bool


@dataclass(frozen=True, slots=True)
class Reception:
    """Takes messages in. ``clock`` gives the time in seconds since 1970."""

    rate: Rate
    checks: Checks
    gatherer: Gatherer
    metrics: Metrics
    health: Health
    batch_limit: int
    zone: str = "UTC"  # of times that come without one
    clock: Callable[[], float] = time.time

    def admit(self, gateway: Gateway) -> None:
        """Raise ``Problem`` 429 when not even one reading of this gateway may pass now."""
        self._within_rate(self.rate.wait(gateway.name, 1, time.monotonic(), gateway.rate), gateway)

    async def take(self, gateway: Gateway, codec: Codec, form: str, data: bytes, envelope: Envelope) -> Receipt:
        """Keep what ``data`` holds; returns once the broker has confirmed it or the disk holds it.

        ``form`` is the media type as it is kept with dead letters. Raises ``Problem`` 413, 422, 429 or 503.
        """
        columns, told = await self._read(gateway, codec, form, data, envelope)
        taken = columns.count + len(told)
        self._within_rate(self.rate.take(gateway.name, taken, time.monotonic(), gateway.rate), gateway)
        checked = self.checks.check(columns, envelope.now, gateway)
        letters = [
            letter(gateway.name, envelope.now, fault.reason, fault.field, columns.text(fault.index), ROW)
            for fault in checked.faults
        ]
        spooled = await self._keep(Intake(gateway.name, envelope.now, checked, letters, told))
        newest = int(checked.time.max()) if len(checked) else None
        self.metrics.took(gateway.name, len(checked), checked.faults, envelope.now, newest)
        self.health.took(gateway.name, checked.datastream, checked.time, envelope.now)
        return Receipt(len(checked), len(told), checked.faults, spooled)

    def envelope(self, gateway: Gateway, mapping: Mapping[str, object] | None = None, **known: str) -> Envelope:
        """What the door knows of a message that comes now."""
        now = int(self.clock() * 1000)
        told = {"zone": self.zone, **known}
        return Envelope(now=now, limit=self.batch_limit, source=gateway.name, mapping=mapping, **told)  # type: ignore[arg-type]  # the members that are texts

    async def _read(
        self, gateway: Gateway, codec: Codec, form: str, data: bytes, envelope: Envelope
    ) -> tuple[Columns, list[bytes]]:
        may_tell = partial(self.checks.may_tell, gateway)
        try:
            if codec.columns is None:
                return readings(codec.decode(data, envelope), self.checks.knows, may_tell)
            columns = codec.columns(data, envelope)
            told = []
            for index, value in columns.others:
                if may_tell(value):
                    told.append(event(value))
                else:
                    columns.faults.append(beyond(index, value))
            return columns, told
        except TooMany as error:
            raise _too_many(error) from error
        except Unreadable as error:
            dead = letter(gateway.name, envelope.now, str(error), "", data, form)
            await self._keep(Intake(gateway.name, envelope.now, NOTHING, [dead]))
            fault = Fault(0, "undecodable", "", None, None, str(error))
            self.metrics.took(gateway.name, 0, [fault], envelope.now, None)
            raise _undecodable(error, form) from error

    async def _keep(self, intake: Intake) -> bool:
        try:
            return await self.gatherer.add(intake)
        except Backpressure as error:
            raise unavailable(error) from error

    def _within_rate(self, wait: float, gateway: Gateway) -> None:
        if wait:
            limit = gateway.rate or self.rate.rate
            raise Problem(
                status=429,
                kind="rate",
                detail=f"this gateway sends more than {limit:g} readings a second",
                field="readings",
                limit=limit,
                remedy="send again after Retry-After, or ask the city's operator for a higher rate of this token",
                headers={"retry-after": str(math.ceil(wait))},
            )


def _too_many(error: TooMany) -> Problem:
    return Problem(
        status=413,
        kind="too-many",
        detail=str(error),
        field="readings",
        value=error.rows,
        limit=error.limit,
        remedy="send the readings in several requests",
    )


def _undecodable(error: Unreadable, form: str) -> Problem:
    where: dict[str, object] = {}
    if error.position is not None:
        where["position"] = error.position
    if error.record is not None:
        where["record"] = error.record
    if isinstance(error, Undecodable):
        remedy = f"mend the body at byte {error.position}"
        return Problem(
            status=422, kind="undecodable", detail=str(error), field="body", limit=form, remedy=remedy, extra=where
        )
    return Problem(
        status=422,
        kind="misshapen",
        detail=str(error),
        field=error.field,
        value=error.value,
        limit=error.limit,
        remedy="see the request body of this path in /openapi.json",
        extra=where,
    )


def unavailable(error: Backpressure) -> Problem:
    """The answer while nothing can be kept."""
    return Problem(
        status=503,
        kind="unavailable",
        detail=str(error),
        remedy="keep the readings and send them again after Retry-After",
        headers={"retry-after": str(error.retry_after)},
    )
