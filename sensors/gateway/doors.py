"""The doors for formats that bring their own paths: CAP, ONVIF, Axis, SensorThings, NGSI-LD, GA/T 1400, and any codec.

Each is a path and the codec behind it. What was kept is told as for readings; the broker has it, or the disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from zoneinfo import available_timezones

import msgspec
from fastapi import APIRouter, Query, Request, Response

from sensors.codecs.base import Codec
from sensors.codecs.register import CODECS
from sensors.gateway.access import Access
from sensors.gateway.body import Bodies
from sensors.gateway.readings import told
from sensors.gateway.reception import Receipt, Reception
from sensors.problems import Problem
from sensors.tokens import READINGS

Zone = Annotated[str, Query(description="time zone of times that come without one")]
Mapped = Annotated[str, Query(max_length=4000, description="JSON: which column is what, for CSV and NDJSON")]
NAME_LENGTH = 200  # of an asset or datastream in a path


@dataclass(frozen=True, slots=True)
class Way:
    """One path: ``{asset}`` and ``{datastream}`` in it tell whose message it is."""

    path: str
    format: str
    summary: str


WAYS = (
    Way("/v1/cap", "cap", "A warning: CAP 1.2 as XML"),
    Way("/v1/onvif/{asset}", "onvif", "ONVIF Profile M metadata or events of a camera, as XML"),
    Way("/v1/axis/{asset}", "axis", "Axis scene description of a camera, as JSON lines"),
    Way("/sensorthings/v1.1/CreateObservations", "sensorthings", "SensorThings observations as a DataArray"),
    Way("/sensorthings/v1.1/Observations", "sensorthings", "One SensorThings observation that names its datastream"),
    Way("/sensorthings/v1.1/Datastreams({datastream})/Observations", "sensorthings", "Observations of one datastream"),
    Way("/ngsi-ld/v1/notifications", "ngsi-ld", "An NGSI-LD notification: crowd and traffic flow"),
)


@dataclass(frozen=True, slots=True)
class Doors:
    """Takes a body in behind any of the paths."""

    access: Access
    bodies: Bodies
    reception: Reception

    async def take(
        self, request: Request, codec: Codec, mapping: Mapping[str, object] | None = None, **known: str
    ) -> Receipt:
        """Read, check and keep the request's body; raises ``Problem``."""
        headers = dict(request.scope["headers"])
        gateway = self.access.admit(headers, READINGS)
        self.reception.admit(gateway)
        data = await self.bodies.read(request.receive, headers)
        envelope = self.reception.envelope(
            gateway, mapping, **{name: _short(name, text) for name, text in known.items() if text}
        )
        self.access.signed(gateway, headers, data, envelope.now / 1000)
        form = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip() or codec.media[0]
        return await self.reception.take(gateway, codec, form[:100], data, envelope)


def router(doors: Doors) -> APIRouter:
    """The routes of WAYS whose codecs are there, and ``/v1/ingest/{format}`` for every codec."""
    routes = APIRouter(tags=["formats"])
    for way in WAYS:
        if way.format in CODECS:
            _add(routes, doors, way, CODECS[way.format])

    @routes.post("/v1/ingest/{format}", summary="Any format the city understands", status_code=202)
    async def ingest(
        request: Request, format: str, asset: str = "", datastream: str = "", zone: Zone = "", mapping: Mapped = ""
    ) -> Response:
        if format not in CODECS:
            raise Problem(
                status=404,
                kind="unknown-format",
                detail=f"format {format[:100]!r} is not known",
                field="format",
                value=format[:100],
                limit=", ".join(CODECS),
                remedy="use one of these formats",
            )
        return _receipt(
            await doors.take(request, CODECS[format], _mapping(mapping), asset=asset, datastream=datastream, zone=zone)
        )

    return routes


def _add(routes: APIRouter, doors: Doors, way: Way, codec: Codec) -> None:
    """One path; its parameters are taken from the path itself."""

    async def take(request: Request) -> Response:
        return _receipt(await doors.take(request, codec, **request.path_params))

    name = f"{way.format}_{way.path.rpartition('/')[2].partition('(')[0].strip('{}')}".replace("-", "_")
    routes.add_api_route(way.path, take, methods=["POST"], summary=way.summary, status_code=202, name=name)


def _receipt(receipt: Receipt) -> Response:
    return Response(told(receipt), 202, media_type="application/json")


def _mapping(text: str) -> dict[str, object] | None:
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=dict[str, object])
    except msgspec.DecodeError as error:
        detail = f"the mapping is no JSON object: {error}"
        remedy = "see docs/codecs.md"
        raise Problem(status=422, kind="mapping", detail=detail, field="mapping", remedy=remedy) from error


def _short(name: str, text: str) -> str:
    if name == "zone" and text not in available_timezones():
        detail = f"{text[:60]!r} is no time zone"
        remedy = "name one as in Asia/Shanghai"
        raise Problem(status=422, kind="zone", detail=detail, field="zone", value=text[:60], remedy=remedy)
    if len(text) > NAME_LENGTH:
        detail = f"the {name} in the path has {len(text)} characters, at most {NAME_LENGTH} are taken"
        raise Problem(status=422, kind="name", detail=detail, field=name, limit=NAME_LENGTH, remedy="use a shorter id")
    return text.strip("'")
