"""The score sheet of a drill: what was expected and what it took, detection against the truth, the mark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from citybrain.drills.watching import Mark, Watching
from config.city import City
from config.drills import Drill, start_ms
from config.pack import Pack
from models.drills import State
from models.grading import Graded, Happening, Told, grade
from models.values import Alert, Detection, Text

Mode = Literal["at-speed", "live"]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One expectation; seconds."""

    name: str
    what: str
    detail: str
    after: str
    within_s: float
    took_s: float | None
    outcome: Mark
    points: float
    of: float
    by: str = ""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of what happened, seconds since the begin."""

    at_s: float
    what: str
    text: Text
    by: str = ""


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """The whole sheet; times ms since 1970."""

    id: str
    drill: str
    title: Text
    objective: Text
    pack: str
    city: str
    mode: Mode
    blind: bool
    by: str
    began: int
    ended: int
    state: State
    emergency: Text
    rows: tuple[Row, ...]
    points: float
    of: float
    share: float
    needed: float
    passed: bool
    false_alerts: int
    false_at_most: int | None
    detection: Graded
    lines: tuple[Line, ...]


def told(detections: Iterable[tuple[Detection, int]], packs: Sequence[Pack], city: City) -> list[Told]:
    """The alerts that began, each with when it was told (ms)."""
    property_of = {(pack.name, rule.name): rule.property for pack in packs for rule in pack.rules}
    reach = {zone.id: (zone.area_m2 / 3.141592653589793) ** 0.5 for zone in city.zones} | {city.id: 1e6}
    return [
        Told(
            id=one.id,
            rule=f"{one.pack}/{one.rule}",
            kind=one.kind,
            place=one.place,
            property=one.labels.get("property", property_of.get((one.pack, one.rule), "")),
            at=at,
            lon=one.lon,
            lat=one.lat,
            reach_m=reach.get(one.place, 1_500.0 if one.place_kind == "zone" else 0.0),
            gateway=one.labels.get("gateway", ""),
        )
        for one, at in detections
        if one.state == "firing"
    ]


def sheet(
    watching: Watching,
    city: City,
    pack: str,
    truth: Sequence[Happening],
    alerts: Sequence[Told],
    *,
    name: str,
    mode: Mode,
    blind: bool,
    by: str,
    ended: int,
    state: State,
    emergency: Text,
    lines: Sequence[Line],
) -> Sheet:
    """The sheet of a drill that is over."""
    drill, begin = watching.drill, watching.begin_ms
    graded = grade(truth, alerts, max(ended - begin, 1))
    rows = [_row(watching, number) for number in range(len(drill.expect))]
    points, of = sum(row.points for row in rows), sum(row.of for row in rows)
    if drill.false_alerts is not None:
        of += drill.false_alerts.points
        points += drill.false_alerts.points * (graded.false <= drill.false_alerts.at_most)
    share = points / of if of else 0.0
    return Sheet(
        id=name,
        drill=drill.drill,
        title=drill.title,
        objective=drill.objective,
        pack=pack,
        city=city.id,
        mode=mode,
        blind=blind,
        by=by,
        began=begin,
        ended=ended,
        state=state,
        emergency=emergency,
        rows=tuple(rows),
        points=points,
        of=of,
        share=round(share, 4),
        needed=drill.pass_,
        passed=state != "overtaken" and share >= drill.pass_,
        false_alerts=graded.false,
        false_at_most=drill.false_alerts.at_most if drill.false_alerts else None,
        detection=graded,
        lines=tuple(sorted(lines, key=lambda line: line.at_s)),
    )


def injected(drill: Drill) -> list[Line]:
    """The injections as lines."""
    return [
        Line(at_s=start_ms(one) / 1000, what="injected", text=Text(en=_said(one), zh=_said(one)))
        for one in drill.inject
    ]


def raised(alerts: Mapping[str, Alert], begin: int) -> list[Line]:
    """What became of the exercise's alerts, as lines: opened, and what people did."""
    found = []
    for alert in alerts.values():
        for step in alert.history:
            if step.action in ("opened", "cleared", "exercise-over") or step.by:
                text = alert.detection.headline
                found.append(Line(at_s=(step.at - begin) / 1000, what=step.action, text=text, by=step.by))
    return found


def _row(watching: Watching, number: int) -> Row:
    one, seen, mark = watching.drill.expect[number], watching.seen[number], watching.mark(number, over=True)
    came = seen.at is not None and seen.due_from is not None
    return Row(
        name=one.name,
        what=one.what,
        detail=f"{one.alert} {one.place}".strip() if one.alert else str(one.plan or one.unit or one.told or ""),
        after=one.after,
        within_s=one.within_ms / 1000,
        took_s=round((seen.at - seen.due_from) / 1000, 1) if came else None,  # type: ignore[operator]  # both are there
        outcome=mark,
        points=one.points if mark == "met" else 0.0,
        of=0.0 if mark == "not-graded" else one.points,
        by=seen.by,
    )


def _said(one: object) -> str:
    """An injection in a few words: its name, what it is, where."""
    what = type(one).__struct_config__.tag  # type: ignore[attr-defined]  # a struct of config/drills.py
    where = getattr(one, "place", "") or getattr(one, "gateway", "") or ", ".join(getattr(one, "areas", ()))
    return f"{getattr(one, 'name', '')}: {what} {where}".strip()
