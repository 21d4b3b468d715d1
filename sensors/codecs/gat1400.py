"""GA/T 1400.4 (视图库): motor vehicles, devices (APE), register, keepalive and notifications, as JSON.

Times without an offset are Beijing's, ``YYYYMMDDhhmmss``. Empty texts mean "not known". A vehicle whose device is not
told belongs to the device whose number its own begins with. ``answer`` makes the ``ResponseStatus`` that a door sends
back; the digest handshake of register belongs to the door.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from sensors.codecs import members, moments
from sensors.codecs.base import Codec, Decoded, Envelope, bounded
from sensors.codecs.errors import Amiss, Unreadable
from sensors.codecs.values import Device, Passage, SessionNote, Value

ZONE = "Asia/Shanghai"
DEVICE_DIGITS = 20  # of a device's number, with which the numbers of what it saw begin
TIMES = ("PassTime", "AppearTime", "MarkTime")
LISTS = {  # the message's member, then that of its array
    "MotorVehicleListObject": "MotorVehicleObject",
    "APEListObject": "APEObject",
    "APEStatusListObject": "APEStatusObject",
}
SESSIONS: dict[str, Literal["register", "unregister", "keepalive"]] = {
    "RegisterObject": "register",
    "UnRegisterObject": "unregister",
    "KeepaliveObject": "keepalive",
}
WAYS: dict[str, Literal["in", "out"]] = {"in": "in", "out": "out", "1": "in", "2": "out"}
Row = Mapping[str, Any]


def _decode(body: bytes, envelope: Envelope) -> Decoded:
    told = members.loads(body, envelope.limit)
    found = list(_records(told))
    bounded(len(found), envelope.limit)
    decoded = Decoded(count=len(found), text=lambda index: members.dumps(found[index][1]))
    for index, (name, row) in enumerate(found):
        try:
            decoded.add(index, _READERS[name](members.as_row(row, name), envelope))
        except Amiss as amiss:
            decoded.faults.append(amiss.at(index))
    return decoded


def _records(told: Any) -> Iterable[tuple[str, Any]]:
    """The kind of each record and the record; raises ``Unreadable`` where there are none to look for."""
    if members.is_row(told):
        for name, kind in SESSIONS.items():
            if name in told:
                return [(kind, told[name])]
        if "SubscribeNotificationListObject" in told:
            return _notified(told["SubscribeNotificationListObject"])
        if any(name in told for name in LISTS):
            return _listed(told)
    known = ", ".join((*LISTS, *SESSIONS, "SubscribeNotificationListObject"))
    first = next(iter(told), "") if members.is_row(told) else members.kind(told)
    raise Unreadable(
        f"the message is {str(first)[:80]!r}, which is not taken; known are {known}",
        field="message",
        value=first,
        limit=known,
    )


def _listed(told: Row) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for outer, inner in LISTS.items():
        if outer not in told:
            continue
        rows = told[outer].get(inner) if members.is_row(told[outer]) else told[outer]
        rows = [rows] if members.is_row(rows) else rows
        if not isinstance(rows, list):
            raise Unreadable(f"{outer}.{inner} must be an array, this is {members.kind(rows)}", field=inner, value=rows)
        found += [(inner, row) for row in rows]
    return found


def _notified(told: Any) -> list[tuple[str, Any]]:
    notes = told.get("SubscribeNotificationObject") if members.is_row(told) else told
    notes = [notes] if members.is_row(notes) else notes
    if not isinstance(notes, list):
        reason = f"SubscribeNotificationObject must be an array, this is {members.kind(notes)}"
        raise Unreadable(reason, field="SubscribeNotificationObject", value=notes)
    renamed = {"MotorVehicleObjectList": "MotorVehicleListObject", "DeviceList": "APEListObject"}
    rows = [{renamed.get(name, name): one for name, one in note.items()} for note in notes if members.is_row(note)]
    return [record for row in rows for record in _listed(row)]


# --- records ----------------------------------------------------------------------------------------------------


def _vehicle(row: Row, envelope: Envelope) -> Passage:
    told = members.text(row, "MotorVehicleID")
    when = next(((name, row[name]) for name in TIMES if row.get(name)), None)
    if when is None:
        raise Amiss("PassTime", None, "YYYYMMDDhhmmss", f"vehicle {told[:48]!r} has no PassTime; tell when it passed")
    lon, lat = _place(row, "Longitude", "Latitude")
    return Passage(
        id=told,
        asset=_device(row, told, envelope),
        time=moments.local(when[1], when[0], ZONE),
        plate=members.text(row, "PlateNo", ""),
        plate_class=members.text(row, "PlateClass", ""),
        plate_colour=members.text(row, "PlateColor", ""),
        vehicle_class=members.text(row, "VehicleClass", ""),
        vehicle_colour=members.text(row, "VehicleColor", ""),
        lane=_lane(row),
        speed_kmh=members.maybe(row, "Speed"),
        direction=members.text(row, "Direction", ""),
        way=WAYS.get(members.text(row, "InOut", "").lower(), ""),
        lon=lon,
        lat=lat,
    )


def _device(row: Row, told: str, envelope: Envelope) -> str:
    asset = envelope.asset or members.text(row, "DeviceID", "") or members.text(row, "TollgateID", "")
    if not asset and len(told) < DEVICE_DIGITS:
        reason = "DeviceID is empty and the vehicle's number too short to tell the device; fill in DeviceID"
        raise Amiss("DeviceID", "", f"{DEVICE_DIGITS} digits", reason)
    return asset or told[:DEVICE_DIGITS]


def _lane(row: Row) -> int | None:
    lane = members.maybe(row, "LaneNo")
    if lane is not None and not (lane.is_integer() and 0 <= lane <= 99):
        raise Amiss("LaneNo", lane, "0..99", f"LaneNo {lane:g} is not a lane; send a whole number from 0 to 99")
    return None if lane is None else int(lane)


def _apparatus(row: Row, envelope: Envelope) -> Device:
    lon, lat = _place(row, "Longitude", "Latitude")
    return Device(
        asset=members.text(row, "ApeID"),
        name=members.text(row, "Name", ""),
        model=members.text(row, "Model", ""),
        place=members.text(row, "Place", ""),
        lon=lon,
        lat=lat,
        online=_online(row),
        time=envelope.now,
    )


def _status(row: Row, envelope: Envelope) -> Device:
    told = row.get("CurrentTime")
    time = moments.local(told, "CurrentTime", ZONE) if told else envelope.now
    return Device(asset=members.text(row, "ApeID"), online=_online(row), time=time)


def _online(row: Row) -> bool | None:
    """``IsOnline``: 1 on, 2 off, 9 other."""
    return {"1": True, "2": False}.get(members.text(row, "IsOnline", ""))


def _place(row: Row, lon: str, lat: str) -> tuple[float | None, float | None]:
    return members.place(members.maybe(row, lon), members.maybe(row, lat))


def _session(what: Literal["register", "unregister", "keepalive"]) -> Callable[[Row, Envelope], Value]:
    def read(row: Row, envelope: Envelope) -> SessionNote:
        return SessionNote(asset=members.text(row, "DeviceID"), time=envelope.now, what=what)

    return read


_READERS: dict[str, Callable[[Row, Envelope], Value]] = {
    "MotorVehicleObject": _vehicle,
    "APEObject": _apparatus,
    "APEStatusObject": _status,
    **{what: _session(what) for what in SESSIONS.values()},
}


# --- answers ----------------------------------------------------------------------------------------------------


def answer(url: str, ids: Sequence[str], now: int, code: int = 0, text: str = "OK") -> bytes:
    """The ``ResponseStatusListObject`` for a message about the things of these ids.

    ``code``: 0 done, 2 busy, 4 invalid operation, 6 invalid message, 7 invalid content.
    """
    local = dt.datetime.fromtimestamp(now / 1000, ZoneInfo(ZONE)).strftime("%Y%m%d%H%M%S")
    statuses = [
        {"RequestURL": url, "StatusCode": code, "StatusString": text, "Id": one, "LocalTime": local} for one in ids
    ]
    return msgspec.json.encode({"ResponseStatusListObject": {"ResponseStatusObject": statuses}})


CODEC = Codec(
    name="gat1400",
    title="GA/T 1400 vehicles and devices",
    media=("application/viid+json", "application/json"),
    endings=(".viid.json", ".gat1400.json", ".json"),
    decode=_decode,
)
