"""``/v1/roster``, ``/v1/quality``, ``/v1/notifications``: who is on duty, how alarms serve them, how they are told."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query, Request, Response

from config import contract, duty_files, notifications, roster
from config.duty_files import DutyError
from config.notifications import Way
from config.settings import Settings
from models import roster as rosters
from models.alarm_quality import Quality, measure
from models.calendar import Calendar
from models.notices import Quiet, trial
from models.roster import ROTA, Duty, Handover, Roster, Rota
from models.values import Order, Severity, Text, from_json, to_json
from sensors.gateway import asking as asks
from sensors.gateway.asking import JSON, Asking, By, Comment, Moment, milliseconds, unavailable
from sensors.gateway.outlet import Backpressure
from sensors.gateway.quality import LONGEST_MS, past_alerts
from sensors.problems import Problem
from sensors.tokens import DISPATCH, LEAD, LOOK, Gateway

TRIAL_S = 8.0  # how long the test button waits for the route
DAY_MS = 86_400_000
Key = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class Change(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What somebody asks of the rota."""

    by: By
    comment: Comment = ""
    seat: Annotated[str, msgspec.Meta(max_length=64)] = ""
    user: Annotated[str, msgspec.Meta(max_length=64)] = ""
    to: Annotated[str, msgspec.Meta(max_length=64)] = ""
    until: Moment | None = None


class Trial(msgspec.Struct, forbid_unknown_fields=True):
    """A press of the test button."""

    route: Key
    by: By


class Tried(msgspec.Struct):
    """What became of a test message: sent, unconnected, failed, or waiting (for its route, longer than the button)."""

    id: str
    outcome: str


class Standing(msgspec.Struct, rename={"start": "from", "end": "to"}):
    """The shift of now (ms), who sits where, and the last handovers, the newest first."""

    shift: str
    name: Text
    start: int
    end: int
    duty: tuple[Duty, ...]
    handovers: tuple[Handover, ...]


class Told(msgspec.Struct):
    """A route as declared."""

    route: str
    name: Text
    via: str
    severities: tuple[Severity, ...]
    incidents: bool
    quiet: Quiet | None


@dataclass(eq=False)
class Desk:
    """Reads the city's roster and routes once, at the first question."""

    settings: Settings
    asking: Asking

    async def standing(self) -> Standing:
        """The shift of now, who sits where, and the last handovers."""
        declared, calendar, now = self._roster, self._calendar, self.asking.now()
        kept = await self.asking.seen(self.asking.store().item(ROTA))
        rota = from_json(kept, Rota) if kept else Rota()
        watch = rosters.watch_at(declared, calendar, now)
        return Standing(
            shift=watch.shift.shift,
            name=watch.shift.name,
            start=watch.start,
            end=watch.end,
            duty=rosters.on_duty(declared, calendar, rota, now),
            handovers=tuple(reversed(rota.handovers)),
        )

    async def change(self, do: str, change: Change, key: str, gateway: Gateway) -> Standing:
        """Give the order and answer with how the roster is now."""
        given = {name: value for name in ("seat", "user", "to") if (value := getattr(change, name))}
        args: dict[str, Any] = given | ({"until": milliseconds(change.until)} if change.until is not None else {})
        order = Order(
            id=key,
            about="roster",
            subject="rota",
            do=do,
            by=change.by,
            at=self.asking.now(),
            role=gateway.role,
            comment=change.comment,
            args=args,
        )
        await self.asking.ask(order)
        return await self.standing()

    async def quality(self, start: int, end: int, operators: int | None) -> Quality:
        """The figures of the span; raises ``Problem`` 422 for a span that cannot be."""
        if not start < end <= start + LONGEST_MS:
            raise Problem(
                status=422,
                kind="span",
                detail=f"the span from {start} to {end} is empty, or longer than {LONGEST_MS // DAY_MS} days",
                field="from",
                value=start,
                limit=f"{LONGEST_MS // DAY_MS} days",
                remedy="give from before to",
            )
        live = await self.asking.seen(self.asking.store().alerts())
        alerts = await asyncio.to_thread(past_alerts, self.settings.archive, start, end, live)
        return measure(alerts, start, end, operators or self._operators(start, end), self.asking.now())

    async def trial(self, asked: Trial) -> Tried:
        """Put a test message on its way and tell what became of it."""
        if asked.route not in self._ways:
            known = ", ".join(sorted(self._ways))
            detail = f"there is no route {asked.route}"
            raise Problem(
                status=404, kind="unknown-route", detail=detail, field="route", value=asked.route, limit=known,
                remedy="use one of these",
            )  # fmt: skip
        notification = trial(asked.route, asked.by, self.asking.now())
        await self._publish(notification.id, to_json(notification))
        outcome = await self.asking.seen(self.asking.store().outcome(notification.id, TRIAL_S))
        return Tried(notification.id, outcome)

    def routes(self) -> list[Told]:
        """The routes as declared."""
        return [
            Told(one.route, way.name, one.via, one.severities, one.incidents, one.quiet)
            for way in self._ways.values()
            for one in (way.route,)
        ]

    async def failed(self) -> list[msgspec.Raw]:
        """What was given up, as the notifier wrote it."""
        return [msgspec.Raw(one) for one in await self.asking.seen(self.asking.store().failed())]

    async def _publish(self, key: str, body: bytes) -> None:
        outlet, topic = self.asking.outlet, contract.NOTIFICATIONS.of(self.settings.city)
        try:
            await outlet.confirm(outlet.message(topic, 0, [(key.encode(), body)]))
        except Backpressure as error:
            raise unavailable(str(error), error.retry_after) from error

    def _operators(self, start: int, end: int) -> int:
        """How many dispatchers' seats the shift in the middle of the span has; at least 1."""
        try:
            watch = rosters.watch_at(self._roster, self._calendar, (start + end) // 2)
        except Problem:
            return 1
        return max(1, sum(seat.role == "dispatcher" for seat in watch.shift.seats))

    @cached_property
    def _ways(self) -> dict[str, Way]:
        try:
            return notifications.load(duty_files.folder(self.settings))
        except DutyError as error:
            raise unavailable(str(error), 60) from error

    @cached_property
    def _roster(self) -> Roster:
        try:
            return roster.load(duty_files.folder(self.settings), frozenset(self._ways))
        except DutyError as error:
            raise unavailable(str(error), 60) from error

    @cached_property
    def _calendar(self) -> Calendar:
        try:
            return duty_files.local_time(duty_files.folder(self.settings))
        except DutyError as error:
            raise unavailable(str(error), 60) from error


def moment(text: str, field: str) -> int:
    """``2026-10-01T08:00:00+08:00`` or milliseconds since 1970 as milliseconds; raises ``Problem`` 422."""
    if text.isdecimal() and len(text) <= 15:
        return int(text)
    try:
        at = dt.datetime.fromisoformat(text.replace(" ", "+"))
        if at.tzinfo is None:
            raise ValueError("it has no time zone")
        return int(at.timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise Problem(
            status=422,
            kind="time",
            detail=f"{field} is no time: {error}",
            field=field,
            value=text[:100],
            remedy="write 2026-10-01T08:00:00+08:00, or milliseconds since 1970",
        ) from error


def router(desk: Desk) -> APIRouter:
    """The routes; reading needs a token with the scope ``look``, the rota ``dispatch``, the test button ``lead``."""
    routes = APIRouter(tags=["duty"])
    bodies = asks.small_bodies()

    def admit(request: Request, scope: str) -> Gateway:
        return desk.asking.access.admit(dict(request.scope["headers"]), scope)

    @routes.get("/v1/roster", summary="Who is on duty, and the last handovers")
    async def standing(request: Request) -> Response:
        admit(request, LOOK)
        return _json(await desk.standing())

    @routes.post("/v1/roster/{do}", summary="Take a seat, leave it, hand the room over")
    async def change(request: Request, do: Literal["take", "leave", "handover"]) -> Response:
        gateway = admit(request, DISPATCH)
        key = asks.key(request)
        change = await asks.body(request, bodies, Change, 'send {"by": "who", "seat": "desk-1"}, or "to" of a handover')
        return _json(await desk.change(do, change, key, gateway))

    @routes.get("/v1/quality", summary="How well the alarms serve those who answer them (ISA-18.2, EEMUA 191)")
    async def quality(
        request: Request,
        start: Annotated[str, Query(alias="from", description="RFC 3339 or ms; a day before to")] = "",
        end: Annotated[str, Query(alias="to", description="RFC 3339 or ms; now")] = "",
        operators: Annotated[int | None, Query(ge=1, le=1000, description="as the roster says")] = None,
    ) -> Response:
        admit(request, LOOK)
        until = moment(end, "to") if end else desk.asking.now()
        since = moment(start, "from") if start else until - DAY_MS
        return _json(await desk.quality(since, until, operators))

    @routes.get("/v1/notifications/routes", summary="The ways out of the room")
    async def ways(request: Request) -> Response:
        admit(request, LOOK)
        return _json({"routes": desk.routes()})

    @routes.get("/v1/notifications/failed", summary="What no attempt could bring out")
    async def failed(request: Request) -> Response:
        admit(request, LOOK)
        return _json({"failed": await desk.failed()})

    @routes.post("/v1/notifications/test", summary="Send a test message by one route")
    async def test(request: Request) -> Response:
        admit(request, LEAD)
        return _json(await desk.trial(await asks.body(request, bodies, Trial, 'send {"route": "…", "by": "who"}')))

    return routes


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type=JSON)
