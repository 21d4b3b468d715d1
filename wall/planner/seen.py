"""What the planner's page shows, as plain dictionaries: no Dash, no store, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from config import drills as exercises
from config import pack as packs
from config.drills import DrillError
from config.pack import Pack, PackError
from config.register import Register
from config.registrar import Registrar
from models import roster as rosters
from models.calendar import DAY_MS, Calendar
from models.roster import Duty, Roster, Rota
from models.rules import Rule
from models.silences import Silence
from models.values import SEVERITIES, Incident, from_json
from wall import faults
from wall.view import text

Row = dict[str, Any]
AHEAD_DAYS = 7  # of the roster
HANDOVERS = 10
LOOKED_BACK = 100  # incidents that are offered for a replay
SILENCE, ROTA = "silence/", rosters.ROTA


def declared(folder: Path = packs.FOLDER) -> list[tuple[str, Pack | PackError]]:
    """Each pack below ``folder`` by its name, or why it is refused."""
    found: list[tuple[str, Pack | PackError]] = []
    for path in sorted(folder.glob("*/pack.yaml")):
        try:
            found.append((path.parent.name, packs.load(path.parent)))
        except PackError as error:
            found.append((path.parent.name, error))
    return found


def pack_rows(found: Sequence[tuple[str, Pack | PackError]], told: Mapping[str, Row]) -> list[Row]:
    """The packs with their state: as the stream tells it, else as their files are."""
    rows = [_pack(name, one, told.get(name)) for name, one in found] + [
        {"pack": name, **_state(row)} for name, row in sorted(told.items()) if name not in dict(found)
    ]
    return [row | {"fault": faults.both(row["error"])} if row.get("error") else row for row in rows]


def _pack(name: str, found: Pack | PackError, told: Row | None) -> Row:
    if isinstance(found, PackError):
        row: Row = {"pack": name, "state": "refused", "error": str(found), "since": None}
    else:
        row = {
            "pack": name,
            "title": text(found.title),
            "owner": text(found.owner),
            "status": found.status,
            "state": "draft" if found.status == "draft" else "in-force",
            "error": "",
            "since": None,
            "rules": len(found.rules),
            "watches": [watched.property for watched in found.watched],
        }
    return row | _state(told) if told else row


def _state(told: Row) -> Row:
    known = ("state", "version", "since", "tried", "error")
    return {name: told[name] for name in known if name in told}


def rules(found: Iterable[tuple[str, Pack | PackError]]) -> list[Row]:
    """Every rule of the packs that can be read."""
    return [_rule(pack, rule) for _, pack in found if isinstance(pack, Pack) for rule in pack.rules]


def _rule(pack: Pack, rule: Rule) -> Row:
    return {
        "rule": f"{pack.name}.{rule.name}",
        "pack": pack.name,
        "title": text(pack.title),
        "name": rule.name,
        "reads": rule.reads,
        "property": rule.property,
        "expr": rule.expr,
        "clear": rule.clear,
        "for_s": rule.for_ms / 1000,
        "clear_for_s": rule.clear_for_ms / 1000,
        "watch": rule.watch,
        "severity": rule.severity,
        "line": rule.line,
        "line_of": rule.line_of,
        "budgeted": rule.budgeted,
    }


def silences(room: Mapping[bytes, bytes], now: int) -> list[Row]:
    """The room's silences, those in force first, then by their end, the latest first; ``now`` in ms."""
    found = [from_json(data, Silence) for key, data in room.items() if key.decode().startswith(SILENCE)]
    rows = [{**msgspec.to_builtins(one), "state": _phase(one, now)} for one in found]
    order = ("active", "pending", "ended")
    return sorted(rows, key=lambda row: (order.index(row["state"]), -row["end"], row["id"]))


def _phase(silence: Silence, now: int) -> str:
    return "active" if silence.holds(now) else "pending" if now < silence.start else "ended"


def rota(room: Mapping[bytes, bytes]) -> Rota:
    """What people changed about who is on duty."""
    kept = room.get(ROTA.encode())
    return from_json(kept, Rota) if kept else Rota()


def roster(declared: Roster, calendar: Calendar, changed: Rota, now: int) -> Row:
    """Who is on duty now and next, whose turn it is in the coming days, the ladder, and the last handovers."""
    watch = rosters.watch_at(declared, calendar, now)
    return {
        "now": _watch(declared, calendar, changed, now),
        "next": _watch(declared, calendar, changed, watch.end),
        "days": [_watch(declared, calendar, Rota(), at) for at in _starts(declared, calendar, watch.end)],
        "people": [{"user": one.user, "name": text(one.name)} for one in declared.people.values()],
        "ladder": [
            {"roles": rung.roles, "seats": rung.seats, "routes": rung.routes, "again": rung.again}
            for rung in declared.ladder
        ],
        "handovers": [msgspec.to_builtins(one) for one in reversed(changed.handovers[-HANDOVERS:])],
    }


def _starts(declared: Roster, calendar: Calendar, first: int) -> list[int]:
    """The beginnings of the shifts of the coming days."""
    at, starts = first, []
    while at < first + AHEAD_DAYS * DAY_MS:
        starts.append(at)
        at = rosters.watch_at(declared, calendar, at).end
    return starts


def _watch(declared: Roster, calendar: Calendar, changed: Rota, at: int) -> Row:
    watch = rosters.watch_at(declared, calendar, at)
    duties = rosters.on_duty(declared, calendar, changed, at)
    return {
        "shift": text(watch.shift.name),
        "start": watch.start,
        "end": watch.end,
        "seats": [_duty(one) for one in duties],
    }


def _duty(one: Duty) -> Row:
    return {
        "seat": one.seat,
        "role": one.role,
        "user": one.user,
        "name": text(one.name),
        "out_of_turn": one.out_of_turn,
    }


def unknown(rows: Mapping[bytes, bytes], registrar: Registrar, register: Register) -> list[Row]:
    """Unknown datastreams, the newest first, each with the kinds it may be and its place where that is known.

    The place of an asset that another property made known is taken over, so that one click adopts it.
    """
    ids = set(register.ids)
    places = register.frame.unique("asset", keep="first").select("asset", "kind", "lon", "lat", "name_en", "name_zh")
    known = {row["asset"]: row for row in places.to_dicts()} if rows else {}
    found = [msgspec.json.decode(data) for data in rows.values()]
    shown = []
    for one in sorted(found, key=lambda row: (-row["last"], row["datastream"])):
        if one["datastream"] in ids:
            continue
        asset, _, observed = one["datastream"].rpartition("/")
        shown.append({**one, "property": observed, "kinds": registrar.kinds(observed), "asset": known.get(asset)})
    return shown


def drills() -> list[Row]:
    """Every drill of the packs with what it practises, or why it is refused."""
    return [_drill(one) for one in exercises.listed()]


def _drill(one: exercises.Listed) -> Row:
    row: Row = {"drill": f"{one.pack}/{one.name}", "pack": one.pack}
    try:
        drill = exercises.load(one.path)
    except DrillError as error:
        return row | {"refused": str(error), "fault": faults.both(str(error))}
    return row | {"title": text(drill.title), "city": drill.city, "minutes": round(drill.lasts_ms / 60_000)}


def incidents(rows: Mapping[bytes, bytes]) -> list[Row]:
    """The incidents of the picture to look back at, the newest first, with the span that they took (ms)."""
    found = sorted((from_json(data, Incident) for data in rows.values()), key=lambda one: -one.opened)
    return [
        {
            "id": one.id,
            "title": text(one.title),
            "level": SEVERITIES.index(one.severity) + 1,
            "state": one.state,
            "opened": one.opened,
            "closed": one.closed,
            "changed": one.changed,
        }
        for one in found[:LOOKED_BACK]
    ]
