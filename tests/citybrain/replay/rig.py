"""A recorded hour of a small town: its readings, ticks, alerts, incidents and what people did."""

from __future__ import annotations

import json
from pathlib import Path

from citybrain.archive.reader import Archive
from citybrain.replay.recording import Span
from config import city as cities
from config import layouts, pack
from config import register as registers
from config.register import Register
from config.settings import Settings
from models.values import Alert, AuditLine, Detection, Incident, Text, Unit, UnitStatus, to_json
from streams.archive import ReadingsWriter
from tests.citybrain.archive.rig import say
from tests.streams.test_archive import readings
from tests.wall import feed

START = 1_790_035_200_000  # 2026-09-22 00:00 UTC
MINUTES = 30


def settings(folder: Path) -> Settings:
    """A city of some hundred cameras with ``MINUTES`` of archive below ``folder``."""
    made = Settings(city="chengdu", data=folder)
    city = cities.load("chengdu")
    register = registers.rezone(feed.register(city, cameras=200), city)
    registers.save(register, made.register)
    _readings(made, register)
    _ticks(made)
    _events(made)
    return made


def _readings(made: Settings, register: Register) -> None:
    built = layouts.layouts(cities.load("chengdu"), register, pack.load_all())
    for layout in built.shards:
        if not len(layout):
            continue
        folder = made.archive / "readings"
        folder.mkdir(parents=True, exist_ok=True)
        writer = ReadingsWriter(folder, layout)
        for minute in range(MINUTES):
            at = minute * 60_000
            value = float(minute % 10)
            batch = readings(
                *(
                    (int(row), at, min(max(value, layout.low[k]), layout.high[k]))
                    for k, row in enumerate(layout.members)
                ),
                accepted=START + at + 500,
            )
            writer.take(minute, batch)
            if minute % 2:
                writer.flush()
        writer.flush()


def _ticks(made: Settings) -> None:
    told = []
    for number in range(MINUTES * 12):
        end = START + (number + 1) * 5_000
        ratio = 1.6 if 120 <= number < 240 else 1.0
        rows = [
            {"zone": "510104", "property": "people", "value": 100.0 * ratio, "expected": 100.0, "score": 9.0,
             "ratio": ratio, "reporting": 1.0, "occupancy": None, "density": None},
            {"zone": "chengdu", "property": "people", "value": 900.0, "expected": 900.0, "score": 0.1, "ratio": 1.0,
             "reporting": 1.0, "occupancy": None, "density": None},
        ]  # fmt: skip
        body = {"tick": end, "rows": rows, "totals": {"people": [900.0, 900.0]}, "ahead": None, "notes": []}
        told.append((end + 500, str(end), json.dumps(body, separators=(",", ":"))))
    say(made.archive, "ticks", told, each=24)


def alert(state: str = "unacknowledged", by: str = "") -> Alert:
    """The one alert, of a surge ten minutes into the span."""
    text = Text("Crowd surge", "人流激增")
    onset = START + 600_000
    detection = Detection(
        id="surge", pack="holiday-crowd", rule="ZoneSurge", place="510104", place_kind="zone", place_name=text,
        lon=104.08, lat=30.66, district="jinjiang", state="firing", severity="Severe", onset=onset, time=onset,
        value=160.0, expected=100.0, score=9.0, unit="1", headline=text,
    )  # fmt: skip
    return Alert(
        id="surge", detection=detection, state=state, severity="Severe", opened=onset + 1_000,  # type: ignore[arg-type]  # a state
        deadline=onset + 301_000, acknowledged_by=by, incident="incident-1",
    )  # fmt: skip


def incident() -> Incident:
    """The incident of the alert."""
    text = Text("Crowd at Chunxi Road", "春熙路人流")
    return Incident(
        id="incident-1", title=text, state="open", severity="Severe", pack="holiday-crowd", place="510104",
        place_name=text, lon=104.08, lat=30.66, district="jinjiang", opened=START + 601_000, changed=START + 700_000,
        alerts=("surge",), count=1, active=1,
    )  # fmt: skip


def unit(status: UnitStatus) -> Unit:
    """A patrol near the place."""
    text = Text("Patrol 1", "一号巡逻车")
    return Unit(id="patrol-1", name=text, kind="police", lon=104.07, lat=30.65, status=status)


def _events(made: Settings) -> None:
    opened, acknowledged = START + 601_000, START + 660_000
    bodies = [(opened, "surge", alert()), (acknowledged, "surge", alert("acknowledged", "chen"))]
    say(made.archive, "alerts", [(at, key, to_json(one).decode()) for at, key, one in bodies])
    say(made.archive, "incidents", [(opened, "incident-1", to_json(incident()).decode())])
    line = AuditLine(
        number=1, at=acknowledged, by="chen", what="alert", subject="surge", did="acknowledge", command="c1"
    )
    say(made.archive, "audit", [(acknowledged, "surge", to_json(line).decode())])
    sent: list[tuple[int, UnitStatus]] = [(opened, "free"), (acknowledged, "sent")]
    say(made.archive, "units", [(at, "patrol-1", to_json(unit(status)).decode()) for at, status in sent])
    said = to_json(alert().detection).decode()
    say(made.archive, "detections", [(opened - 500, "surge", said)])


def span(made: Settings, start: int = START, end: int = START + (MINUTES - 1) * 60_000) -> Span:
    """The whole of it, opened."""
    register = registers.load(made.register)
    return Span(Archive(made.archive), made.home, cities.load(made.city), register, start, end)
