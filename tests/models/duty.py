"""Alerts, incidents and a roster that the tests of duty, escalation and quality use."""

from __future__ import annotations

from models.roster import Person, Roster, Rung, Seat, Shift
from models.values import Alert, Detection, Incident, Severity, Text

MINUTE = 60_000
HOUR = 60 * MINUTE


def name(text: str) -> Text:
    """The same in both languages."""
    return Text(en=text, zh=text)


def roster(again: int = 1) -> Roster:
    """Two shifts; Li and Wang take turns by day, Zhao leads, Sun is on call at night."""
    people = [
        Person(user="li", name=name("Li"), routes=("li-wecom",)),
        Person(user="wang", name=name("Wang"), routes=("wang-wecom",)),
        Person(user="zhao", name=name("Zhao"), routes=("lead-wecom", "lead-mail")),
        Person(user="sun", name=name("Sun"), routes=("sun-mail",)),
    ]
    lead = Seat(seat="lead", role="supervisor", people=("zhao",))
    day = Shift(
        shift="day",
        name=name("day"),
        start=8 * 60,
        end=20 * 60,
        seats=(Seat(seat="desk-1", role="dispatcher", people=("li", "wang")), lead),
    )
    night = Shift(
        shift="night",
        name=name("night"),
        start=20 * 60,
        end=8 * 60,
        seats=(Seat(seat="desk-1", role="dispatcher", people=("sun",)), lead),
    )
    ladder = (Rung(roles=("dispatcher",)), Rung(roles=("supervisor",), routes=("group",), again=again))
    return Roster(people={one.user: one for one in people}, shifts=(day, night), ladder=ladder)


def incident(opened: int, severity: Severity = "Extreme", **more: object) -> Incident:
    """An open incident."""
    fields: dict[str, object] = {
        "id": f"inc-{opened}",
        "title": name("Ponding"),
        "state": "open",
        "severity": severity,
        "pack": "flood",
        "place": "z1",
        "place_name": name("Tianfu Square"),
        "lon": 104.0,
        "lat": 30.6,
        "district": "d1",
        "opened": opened,
        "changed": opened,
    }
    return Incident(**(fields | more))  # type: ignore[arg-type]  # as the fields are named


def alert(
    opened: int, severity: Severity = "Moderate", place: str = "z1", rule: str = "Ponding", **more: object
) -> Alert:
    """An alert that opened at ``opened``."""
    detection = Detection(
        id=f"{place}-{rule}-{opened}",
        pack="flood",
        rule=rule,
        place=place,
        place_kind="zone",
        place_name=name(place),
        lon=104.0,
        lat=30.6,
        district="d1",
        state="firing",
        severity=severity,
        onset=opened,
        time=opened,
        value=1.0,
        expected=0.0,
        score=9.0,
        unit="m",
        headline=name("Ponding"),
        exercise=bool(more.pop("exercise", False)),
    )
    fields: dict[str, object] = {
        "id": detection.id,
        "detection": detection,
        "state": "unacknowledged",
        "severity": severity,
        "opened": opened,
        "deadline": opened + 15 * MINUTE,
    }
    return Alert(**(fields | more))  # type: ignore[arg-type]  # as the fields are named
