"""``/open311/v2``: service requests in and out, as Open311 GeoReport v2 has it.

What is sent becomes an event (models/events.py) once the broker has it or the disk holds it; the newest are in the
store too, so that a request can be asked for by its id.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import msgspec
from fastapi import APIRouter, Path, Query, Request, Response
from redis.exceptions import RedisError

from config.services import Service
from models import events
from models.values import ServiceRequest
from sensors.codecs.base import Decoded
from sensors.codecs.errors import Unreadable
from sensors.codecs.open311 import CODEC
from sensors.gateway.access import Access
from sensors.gateway.body import Bodies
from sensors.gateway.gather import Gatherer, Intake, letter
from sensors.gateway.meaning import beyond
from sensors.gateway.outlet import Backpressure
from sensors.gateway.picture import Picture
from sensors.gateway.private import masked
from sensors.gateway.reception import NOTHING, Reception, unavailable
from sensors.problems import Problem
from sensors.tokens import READINGS, Gateway

FORM = "application/x-www-form-urlencoded"
JSON, XML = "application/json", "text/xml"
DAYS = 90  # a search looks back so far at most (GeoReport v2)
MOST = 1_000  # requests in one answer (GeoReport v2)
Form = Annotated[str, Path(pattern="^(json|xml)$")]
Search = Annotated[str, Query(max_length=2000)]
RequestId = Annotated[str, Path(alias="id", max_length=200, description="service_request_id")]


@dataclass(frozen=True, slots=True)
class Requests:
    """Takes service requests in and gives them out again."""

    access: Access
    bodies: Bodies
    reception: Reception
    gatherer: Gatherer
    picture: Picture | None
    services: tuple[Service, ...]

    async def take(self, request: Request) -> list[ServiceRequest]:
        """Keep the requests in a body; raises ``Problem``."""
        headers = dict(request.scope["headers"])
        gateway = self.access.admit(headers, READINGS)
        self.reception.admit(gateway)
        data = await self.bodies.read(request.receive, headers)
        envelope = self.reception.envelope(gateway)
        self.access.signed(gateway, headers, data, envelope.now / 1000)
        form = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
        data = _completed(data, form, envelope.now)
        try:
            decoded = CODEC.decode(data, envelope)
        except Unreadable as error:
            await self._keep(
                gateway, envelope.now, [], [letter(gateway.name, envelope.now, str(error), "", data, form)]
            )
            raise Problem(
                status=422,
                kind="undecodable",
                detail=str(error),
                field=error.field,
                value=error.value,
                limit=error.limit,
                remedy="send a service request as Open311 GeoReport v2 has it",
            ) from error
        return await self._take(gateway, envelope.now, decoded)

    async def _take(self, gateway: Gateway, now: int, decoded: Decoded) -> list[ServiceRequest]:
        known = {service.code for service in self.services}
        taken: list[ServiceRequest] = []
        refused = [(fault.index, fault.field, fault.value, fault.reason) for fault in decoded.faults]
        for index, one in zip(decoded.records, decoded.values, strict=True):
            assert isinstance(one, ServiceRequest)
            if known and one.code not in known:
                reason = f"service_code {one.code!r} is not one of the city's; see /open311/v2/services.json"
                refused.append((index, "service_code", one.code, reason))
            elif gateway.limited:
                refused.append((index, "service_code", one.code, beyond(index, one).reason))
            else:
                taken.append(masked(one))
        letters = [
            letter(gateway.name, now, reason, field, decoded.text(index), JSON) for index, field, _, reason in refused
        ]
        await self._keep(gateway, now, taken, letters)
        if refused and not taken:
            _, field, value, reason = refused[0]
            raise Problem(status=422, kind="none-accepted", detail=reason, field=field, value=value, remedy="mend it")
        return taken

    async def _keep(self, gateway: Gateway, now: int, taken: list[ServiceRequest], letters: list[Any]) -> None:
        try:
            await self.gatherer.add(Intake(gateway.name, now, NOTHING, letters, [events.encode(one) for one in taken]))
        except Backpressure as error:
            raise unavailable(error) from error
        if self.picture is not None and taken:
            await self.picture.keep_requests(taken)

    async def one(self, number: str) -> ServiceRequest:
        """The request with this id; raises ``Problem`` 404 or 503."""
        found = await self._seen().request(number)
        if found is None:
            raise Problem(
                status=404,
                kind="unknown-request",
                detail=f"there is no service request {number}",
                field="service_request_id",
                value=number[:100],
                remedy="older ones are in the archive",
            )
        return found

    async def listed(self, wanted: Wanted, now: int) -> list[ServiceRequest]:
        """The requests that fit, the newest first; raises ``Problem`` 503."""
        since = wanted.start if wanted.start is not None else now - DAYS * 86_400_000
        until = wanted.end if wanted.end is not None else now
        found = [
            one
            for one in await self._seen().requests()
            if since <= one.requested <= until
            and (not wanted.codes or one.code in wanted.codes)
            and (not wanted.statuses or one.status in wanted.statuses)
            and (not wanted.ids or one.id in wanted.ids)
        ]
        return sorted(found, key=lambda one: -one.requested)[:MOST]

    def _seen(self) -> Picture:
        if self.picture is None:
            raise _store_away("this gateway has no store; set CITYBRAIN_REDIS")
        return self.picture


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a search asks for; times in ms since 1970, empty: all."""

    ids: frozenset[str]
    codes: frozenset[str]
    statuses: frozenset[str]
    start: int | None
    end: int | None


def _store_away(detail: str) -> Problem:
    headers = {"retry-after": "5"}
    return Problem(status=503, kind="unavailable", detail=detail, remedy="try again after Retry-After", headers=headers)


def _completed(data: bytes, form: str, now: int) -> bytes:
    """A new request as a citizen's programme sends it (form fields, no id yet) as JSON with its id and its time."""
    if form == FORM:
        pairs = parse_qsl(data.decode("utf-8", "replace"), max_num_fields=100)
        return msgspec.json.encode(_numbered(dict(pairs), now))
    try:
        told = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return data  # XML, or nothing that can be read: the codec says what is wrong
    if isinstance(told, dict) and "service_requests" not in told:
        return msgspec.json.encode(_numbered(told, now))
    return data


def _numbered(row: Mapping[str, Any], now: int) -> dict[str, Any]:
    new: dict[str, Any] = {}
    if not row.get("service_request_id") and not row.get("token"):
        new["service_request_id"] = f"{dt.datetime.fromtimestamp(now / 1000, dt.UTC):%Y%m%d}-{secrets.token_hex(5)}"
    if not row.get("requested_datetime"):
        new["requested_datetime"] = _moment(now)
    return {**row, **new}


def _moment(time_ms: int) -> str:
    return dt.datetime.fromtimestamp(time_ms / 1000, dt.UTC).isoformat()


def _georeport(one: ServiceRequest) -> dict[str, object]:
    """The request with GeoReport's names."""
    return {
        "service_request_id": one.id,
        "status": one.status,
        "service_code": one.code,
        "service_name": one.category,
        "description": one.description,
        "agency_responsible": one.agency or None,
        "requested_datetime": _moment(one.requested),
        "updated_datetime": _moment(one.updated) if one.updated is not None else None,
        "expected_datetime": _moment(one.expected) if one.expected is not None else None,
        "address": one.address or None,
        "lat": one.lat,
        "long": one.lon,
    }


def _answer(root: str, each: str, rows: list[dict[str, object]], form: str, status: int = 200) -> Response:
    """The rows as JSON or XML, by the path's ending."""
    if form == "json":
        return Response(msgspec.json.encode(rows), status, media_type=JSON)
    lines = [f"<{each}>" + "".join(_element(name, value) for name, value in row.items()) + f"</{each}>" for row in rows]
    body = f'<?xml version="1.0" encoding="utf-8"?><{root}>{"".join(lines)}</{root}>'
    return Response(body.encode("utf-8", "replace"), status, media_type=XML)


def _element(name: str, value: object) -> str:
    if value is None:
        return f"<{name}/>"
    text = "".join(letter for letter in str(value) if letter >= " " or letter in "\t\n\r")
    return f"<{name}>{escape(text)}</{name}>"


def _names(text: str) -> frozenset[str]:
    return frozenset(part for part in text.split(",") if part)


def _time(text: str, field: str) -> int | None:
    if not text:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        remedy = "write it as 2026-11-22T08:00:00+08:00"
        detail = f"{field} {text[:40]!r} is no time"
        raise Problem(status=422, kind="time", detail=detail, field=field, value=text[:100], remedy=remedy) from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp() * 1000)


def router(requests: Requests) -> APIRouter:
    """The routes of GeoReport v2, as JSON and as XML; reading needs the scope ``readings`` too."""
    routes = APIRouter(prefix="/open311/v2", tags=["open311"])

    def admit(request: Request) -> None:
        requests.access.admit(dict(request.scope["headers"]), READINGS)

    @routes.get("/services.{form}", summary="What may be asked of the city")
    async def services(request: Request, form: Form) -> Response:
        admit(request)
        rows = [service.georeport() for service in requests.services]
        return _answer("services", "service", rows, form)

    @routes.post("/requests.{form}", summary="A service request, or several", status_code=201)
    async def create(request: Request, form: Form) -> Response:
        taken = await requests.take(request)
        rows: list[dict[str, object]] = [{"service_request_id": one.id, "service_notice": ""} for one in taken]
        return _answer("service_requests", "request", rows, form, 201)

    @routes.get("/requests.{form}", summary="Service requests of the last 90 days")
    async def listed(
        request: Request,
        form: Form,
        service_request_id: Search = "",
        service_code: Search = "",
        status: Search = "",
        start_date: Search = "",
        end_date: Search = "",
    ) -> Response:
        admit(request)
        wanted = Wanted(
            _names(service_request_id),
            _names(service_code),
            _names(status),
            _time(start_date, "start_date"),
            _time(end_date, "end_date"),
        )
        now = int(requests.reception.clock() * 1000)
        try:
            found = await requests.listed(wanted, now)
        except (RedisError, OSError) as error:
            raise _store_away(f"the store is away: {error}") from error
        return _answer("service_requests", "request", [_georeport(one) for one in found], form)

    @routes.get("/requests/{id}.{form}", summary="One service request")
    async def one(request: Request, number: RequestId, form: Form) -> Response:
        admit(request)
        try:
            found = await requests.one(number)
        except (RedisError, OSError) as error:
            raise _store_away(f"the store is away: {error}") from error
        return _answer("service_requests", "request", [_georeport(found)], form)

    return routes
