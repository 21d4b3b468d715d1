"""From the store's rows to what a person reads: plain dictionaries, no Dash, no store, no clock.

Texts come in both languages, so that one serialised delta serves every viewer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import numpy as np

from models import explain
from models.appeals_picture import Cluster
from models.flood import Flooded
from models.trust import Watch
from models.values import SEVERITIES, Alert, Incident, Severity, Text, from_json

Row = dict[str, Any]
MINUTES_SHOWN = 60
WATCH_SHOWN = 12  # claims of the watch list that travel to the browsers
LATE_MS, DOWN_MS = 10_000, 60_000  # a source that was silent for longer is late, then down
COMPLETE = 800  # thousandths of what a source should send in a minute; less is shown as late


def text(words: Text) -> Row:
    """Both languages of a sentence."""
    return {"en": words.en, "zh": words.zh}


def number(value: float | None) -> float | int | None:
    """The value as shown: four significant digits, None for a gap."""
    if value is None or not math.isfinite(value):
        return None
    if abs(value) >= 1000 or value == int(value):
        return round(value)
    return float(f"{value:.4g}")


def level(severity: Severity) -> int:
    """1 (Extreme) to 4 (Minor)."""
    return SEVERITIES.index(severity) + 1


def alert(it: Alert) -> Row:
    """One alert as a row of the queue and a marker of the map; times are ms."""
    first = it.detection
    return {
        "level": level(it.severity),
        "state": it.state,
        "kind": first.kind,
        "headline": text(first.headline),
        "place": text(first.place_name),
        "district": first.district,
        "lon": round(first.lon, 6),
        "lat": round(first.lat, 6),
        "pack": first.pack,
        "rule": first.rule,
        "onset": first.onset,
        "opened": it.opened,
        "deadline": it.deadline,
        "cleared": it.cleared,
        "closed": it.closed,
        "by": it.acknowledged_by,
        "acknowledged": it.acknowledged_at,
        "value": number(first.value),
        "expected": number(first.expected),
        "score": number(first.score),
        "unit": first.unit,
        "exercise": first.exercise,
        "steps": len(it.history),
        "incident": it.incident,
        "chattering": it.chattering,
        "stale": it.stale,
    }


def detail(data: bytes) -> Row:
    """An alert with its whole history and labels, for the desk."""
    it = from_json(data, Alert)
    return {
        **alert(it),
        "id": it.id,
        "labels": it.detection.labels,
        "why": text(explain.sentence(it.detection)),
        "certainty": it.detection.certainty,
        "urgency": it.detection.urgency,
        "history": [msgspec.to_builtins(step) for step in it.history],
    }


def incident(it: Incident) -> Row:
    """One incident as a row of the queue in a flood and a mark on its alerts."""
    return {
        "level": level(it.severity),
        "state": it.state,
        "kind": it.kind,
        "title": text(it.title),
        "place": text(it.place_name),
        "opened": it.opened,
        "owner": it.owner,
        "active": it.active,
        "count": it.count,
        "exercise": it.exercise,
        "wall": it.wall,
        "steps": len(it.timeline),
    }


def case(data: bytes) -> Row:
    """An incident with its tasks, proposed plan, units and timeline, for the desk."""
    it = from_json(data, Incident)
    plan, proposal = (msgspec.to_builtins(one) if one else None for one in (it.plan, it.proposal))
    return {
        **incident(it),
        "id": it.id,
        "tasks": [msgspec.to_builtins(task) for task in it.tasks],
        "units": it.units,
        "cameras": it.cameras,
        "links": it.links,
        "plan": plan,
        "proposal": proposal,
        "timeline": [msgspec.to_builtins(step) for step in it.timeline],
    }


def flood(data: bytes | None) -> dict[str, Row]:
    """The room's load: {"now": {"flood", "since", "hidden", "seats": alerts in 10 min, "routed": incidents' seats}}."""
    if not data:
        return {}
    it = from_json(data, Flooded)
    return {"now": {"flood": it.flood, "since": it.since, "hidden": it.hidden, "seats": it.seats, "routed": it.routed}}


def zones(data: bytes | None) -> tuple[int, dict[str, Row]]:
    """The tick (ms; 0 none) and the rows by "<zone>/<property>" of the store's zones."""
    if not data:
        return 0, {}
    body = msgspec.json.decode(data)
    rows = {
        f"{row['zone']}/{row['property']}": {
            "zone": row["zone"],
            "property": row["property"],
            "value": number(row.get("value")),
            "expected": number(row.get("expected")),
            "score": number(row.get("score")),
            "n": row.get("n", 0),
        }
        for row in body["rows"]
    }
    return int(body["tick"]), rows


def ahead(data: bytes | None, city: str) -> dict[str, Row]:
    """The whole city's next hour by property: {"tick": ms, "points": [[minutes, middle, low, high], …]}, the band of
    90 %, of the store's forecasts; only what is told."""
    rows = ahead_of_zones(data)
    return {key.partition("/")[2]: row for key, row in rows.items() if key.partition("/")[0] == city}


def ahead_of_zones(data: bytes | None) -> dict[str, Row]:
    """As ``ahead``, of every zone, by "<zone>/<property>"."""
    if not data:
        return {}
    body = msgspec.json.decode(data)
    rows = {}
    for row in body["rows"]:
        parts = zip(body["minutes"], row["middle"], row["low"], row["high"], strict=True)
        points = [[minutes, *map(number, (middle, low[1], high[1]))] for minutes, middle, low, high in parts]
        told = [point for point in points if None not in point]
        rows[f"{row['zone']}/{row['property']}"] = {"tick": int(body["tick"]), "points": told}
    return rows


def history(points: Iterable[bytes]) -> list[list[Any]]:
    """[tick ms, {property: [value, expected]}], oldest first, of the store's list (newest first)."""
    shown = []
    for data in points:
        body = msgspec.json.decode(data)
        totals = {name: [number(value) for value in pair] for name, pair in body["totals"].items()}
        shown.append([int(body["tick"]), totals])
    return sorted(shown, key=lambda point: point[0])


def sources(rows: Mapping[bytes, bytes], now: int) -> dict[str, Row]:
    """The gateways by name with their ``health``: "ok", "late" or "down"; ``now`` in ms."""
    return {key.decode(): _source(msgspec.json.decode(data), now) for key, data in rows.items()}


def _source(body: Row, now: int) -> Row:
    last = int(body.get("last") or 0)
    silent = now - last
    off = max(silent, body.get("lag_ms") or 0, abs(body.get("offset_ms") or 0)) > LATE_MS
    thin = body.get("completeness", COMPLETE) < COMPLETE
    health = "down" if silent > DOWN_MS else "late" if off or thin else "ok"
    return {
        "health": health,
        "accepted": body.get("accepted", 0),
        "rejected": body.get("rejected", 0),
        "lag": round((body.get("lag_ms") or 0) / 1000),  # s
        "offset": round((body.get("offset_ms") or 0) / 1000, 1),  # s, of its clock
        "datastreams": body.get("datastreams"),
        "complete": None if "completeness" not in body else round(body["completeness"] / 10),  # per cent
        "duplicates": body.get("duplicates", 0),
        "last": last // 1000 * 1000,  # to the second, so that a healthy source does not fill the line
    }


def counts(rows: Mapping[bytes, bytes]) -> dict[str, Row]:
    """Totals over the shards: "scored", "duplicates", "late", "detections", each {"n": integer}."""
    total: dict[str, int] = {}
    for key, value in rows.items():
        name = key.decode().split(":")[0]
        total[name] = total.get(name, 0) + int(value)
    return {name: {"n": n} for name, n in total.items()}


def watch(data: bytes | None) -> tuple[dict[str, Row], dict[str, Row]]:
    """The watch list by claim, the strangest first, and the dial under "now"; both empty while nobody has told them.

    ``wants`` is what a claim lacks to become an alert (models/trust.py).
    """
    if not data:
        return {}, {}
    it = from_json(data, Watch)
    rows = {
        one.id: {
            "place": text(one.place_name),
            "headline": text(one.headline),
            "district": one.district,
            "lon": one.lon,
            "lat": one.lat,
            "score": number(round(one.score, 1)),
            "onset": one.onset,
            "ended": one.ended,
            "wants": one.wants,
        }
        for one in it.rows[:WATCH_SHOWN]
    }
    line = None if it.line is None else number(round(it.line, 1))
    dial = {"per_hour": it.per_hour, "line": line, "spent": it.spent, "waiting": it.waiting, "faults": it.faults}
    return rows, {"now": dial}


class _Told(msgspec.Struct):
    """Of the picture of appeals what the map shows; the rest is passed over."""

    clusters: tuple[Cluster, ...] = ()


def clusters(data: bytes | None) -> dict[str, Row]:
    """The clusters of appeals that stand, by id, from the store's picture; places in degrees, ``radius`` in metres."""
    if not data:
        return {}
    return {
        one.id: {
            "category": text(one.category),
            "cases": one.cases,
            "place": text(one.place),
            "lon": round(one.lon, 4),
            "lat": round(one.lat, 4),
            "radius": round(one.radius_m),
            "safety": one.safety,
        }
        for one in from_json(data, _Told).clusters
    }


def minutes(opened: Mapping[str, tuple[int, int]], now: int) -> dict[str, Row]:
    """How many alerts opened in each of the last 60 minutes: {minute: {"n": [of level 1, 2, 3, 4]}}.

    ``opened``: alert id → (ms, level).
    """
    first = now // 60_000 - MINUTES_SHOWN + 1
    tally: dict[str, Row] = {}
    for at, level in opened.values():
        if at // 60_000 >= first:
            tally.setdefault(str(at // 60_000), {"n": [0, 0, 0, 0]})["n"][level - 1] += 1
    return tally


def nearby(rows: Iterable[Row], value: Any, score: Any, time: Any) -> list[Row]:
    """Datastreams near an alert with what they say now; the arrays (rows,) are the store's packed ones."""
    return [
        {**row, "value": number(float(v)), "score": number(float(s)), "time": int(t) * 1000}
        for row, v, s, t in zip(rows, np.asarray(value), np.asarray(score), np.asarray(time), strict=True)
    ]
