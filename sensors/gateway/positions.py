"""``POST /v1/positions``: where units are. Onto the topic ``events``; the room shows it in the picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fastapi import APIRouter, Request, Response

from models.values import Position
from sensors.codecs import positions
from sensors.codecs.base import Decoded, Envelope
from sensors.codecs.errors import Amiss
from sensors.gateway.access import Access
from sensors.gateway.body import Bodies
from sensors.gateway.checks import EARLIEST_MS
from sensors.gateway.readings import told
from sensors.gateway.reception import Reception
from sensors.problems import Problem, shown
from sensors.tokens import READINGS, Gateway

PATH = "/v1/positions"


@dataclass(frozen=True, slots=True)
class Positions:
    """Takes positions in; ``units`` are the ids of the city's, None: not known here, so any is taken.

    A position is refused, with its reason, of a unit that the city does not have or the token may not speak for, and
    from later than ``tolerance_ms`` ahead of the gateway.
    """

    access: Access
    bodies: Bodies
    reception: Reception
    units: frozenset[str] | None
    tolerance_ms: int

    async def take(self, request: Request) -> bytes:
        """The body of the 202; raises ``Problem``."""
        headers = dict(request.scope["headers"])
        gateway = self.access.admit(headers, READINGS)
        self.reception.admit(gateway)
        form = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
        if form != positions.CODEC.media[0]:
            raise _no_json(form)
        data = await self.bodies.read(request.receive, headers)
        envelope = self.reception.envelope(gateway)
        self.access.signed(gateway, headers, data, envelope.now / 1000)
        codec = replace(positions.CODEC, decode=lambda body, known: self._checked(body, known, gateway))
        receipt = await self.reception.take(gateway, codec, form, data, envelope)
        return told(replace(receipt, accepted=receipt.events, events=0), "positions")

    def _checked(self, body: bytes, envelope: Envelope, gateway: Gateway) -> Decoded:
        """What the body holds, less the positions that the city cannot use."""
        found = positions.CODEC.decode(body, envelope)
        kept = replace(found, values=[], records=[], faults=list(found.faults))
        for index, value in zip(found.records, found.values, strict=True):
            assert isinstance(value, Position)  # the codec yields nothing else
            try:
                self._check(value, envelope.now, gateway)
            except Amiss as amiss:
                kept.faults.append(amiss.at(index))
            else:
                kept.add(index, value)
        return kept

    def _check(self, one: Position, now: int, gateway: Gateway) -> None:
        if self.units is not None and one.unit not in self.units:
            reason = f"unit {shown(one.unit)} is none of the city's; add it to its depots or mend the id"
            raise Amiss("unit", one.unit, "a unit of the city", reason, "unknown-unit")
        if gateway.assets and not one.unit.startswith(gateway.assets):
            reason = f"the token of this gateway may not speak for {shown(one.unit)}; ask the city's operator"
            raise Amiss("unit", one.unit, "assets of the token", reason, "scope")
        if one.time > now + self.tolerance_ms:
            ahead, most = (one.time - now) / 1000, self.tolerance_ms / 1000
            reason = f"time is {ahead:g} s ahead of the gateway, at most {most:g} s is taken; set the sender's clock"
            raise Amiss("time", one.time, now + self.tolerance_ms, reason, "future")
        if one.time < EARLIEST_MS:
            reason = f"time {one.time} ms is before 1990-01-01; send milliseconds, not seconds, or set the clock"
            raise Amiss("time", one.time, EARLIEST_MS, reason, "past")


def router(door: Positions) -> APIRouter:
    """The route; it needs a token with the scope ``readings``."""
    routes = APIRouter(tags=["units"])

    @routes.post(PATH, summary="Where units are", status_code=202)
    async def take(request: Request) -> Response:
        return Response(await door.take(request), 202, media_type="application/json")

    return routes


def _no_json(form: str) -> Problem:
    return Problem(
        status=415,
        kind="content-type",
        detail="positions in this format are not understood",
        field="Content-Type",
        value=form[:100],
        limit=positions.CODEC.media[0],
        remedy="send JSON and say so in Content-Type",
    )
