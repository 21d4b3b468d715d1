"""Open311 GeoReport v2: service requests as JSON or XML, one or many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.values import ServiceRequest
from sensors.codecs import markup, members, moments
from sensors.codecs.base import Codec, Decoded, Envelope, bounded, each
from sensors.codecs.errors import Amiss, Misshapen, Unreadable

LIST = "service_requests"
LONGEST = 10_000  # characters of a description


def _decode(body: bytes, envelope: Envelope) -> Decoded:
    start = body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start == b"<" or body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _decode_xml(body, envelope)
    told = members.loads(body, envelope.limit)
    if members.is_row(told):
        told = told.get(LIST, [told])
    if not isinstance(told, list):
        raise Misshapen(LIST, members.kind(told), "array", f"{LIST} must be an array, this is {members.kind(told)}")
    rows = told
    bounded(len(rows), envelope.limit)
    decoded = Decoded(count=len(rows), text=lambda index: members.dumps(rows[index]))
    for index, row in enumerate(rows):
        each(decoded, index, lambda row=row: (_request(members.as_row(row, "request"), envelope),))  # type: ignore[misc]  # bound now
    return decoded


def _decode_xml(body: bytes, envelope: Envelope) -> Decoded:
    root = markup.parse(body)
    elements = list(markup.children(root, "request")) if markup.name(root) == LIST else [root]
    if markup.name(root) not in (LIST, "request"):
        raise Unreadable(
            f"the document is {markup.name(root)}; send {LIST}", field=LIST, value=markup.name(root), limit=LIST
        )
    bounded(len(elements), envelope.limit)
    decoded = Decoded(count=len(elements), text=lambda index: markup.source(elements[index]))
    for index, element in enumerate(elements):
        row = {markup.name(child): markup.text(child) for child in element}
        each(decoded, index, lambda row=row: (_request(row, envelope),))  # type: ignore[misc]  # bound now
    return decoded


def _request(row: Mapping[str, Any], envelope: Envelope) -> ServiceRequest:
    if not row.get("service_request_id") and row.get("token"):
        token = members.text(row, "token")
        reason = f"the request has only the token {token[:80]!r} yet; ask again until it has a service_request_id"
        raise Amiss("service_request_id", None, "id", reason)
    lon = members.maybe(row, "long" if "long" in row else "lon")
    place = members.place(lon, members.maybe(row, "lat"))
    return ServiceRequest(
        id=_given(row, "service_request_id"),
        code=members.text(row, "service_code", ""),
        category=members.text(row, "service_name", "") or members.text(row, "service_code", ""),
        status=members.text(row, "status", "open").lower()[:40] or "open",
        description=(members.text(row, "description", "") or members.text(row, "status_notes", ""))[:LONGEST],
        requested=moments.local(row.get("requested_datetime"), "requested_datetime", envelope.zone),
        updated=_maybe_time(row, "updated_datetime", envelope),
        expected=_maybe_time(row, "expected_datetime", envelope),
        agency=members.text(row, "agency_responsible", ""),
        address=members.text(row, "address", ""),
        lon=place[0],
        lat=place[1],
        solved=_told(row, "solved"),
        satisfied=_told(row, "satisfied"),
        source=envelope.source,
    )


def _told(row: Mapping[str, Any], name: str) -> bool | None:
    """What a citizen said when called back: beyond GeoReport v2, true, false, or left out."""
    said = row.get(name)
    if said is None or said == "":
        return None
    if isinstance(said, bool):
        return said
    if isinstance(said, str) and said.lower() in ("true", "false"):
        return said.lower() == "true"
    raise Amiss(name, said, "true or false", f"{name} {str(said)[:40]!r} is neither true nor false; leave it out")


def _given(row: Mapping[str, Any], name: str) -> str:
    told = members.text(row, name)
    if not told:
        raise Amiss(name, "", "text", f"{name} is empty; every request needs one that stays")
    return told


def _maybe_time(row: Mapping[str, Any], name: str, envelope: Envelope) -> int | None:
    return moments.local(row[name], name, envelope.zone) if row.get(name) else None


CODEC = Codec(
    name="open311",
    title="Open311 GeoReport v2 service requests",
    media=("application/json", "application/xml", "text/xml"),
    endings=(".open311.json", ".open311.xml", ".json", ".xml"),
    decode=_decode,
)
