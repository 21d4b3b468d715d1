"""A small city for tests of events: a grid of 100 places, three subjects, two departments, rules as packs have them."""

from __future__ import annotations

from typing import Literal

import numpy as np
from msgspec.structs import replace

from models.appeals import Department, Subject
from models.calendar import UTC
from models.emerging import Ground
from models.event_engine import Setup
from models.layout import Place
from models.places import Site, Sites
from models.rules import Rule
from models.scan.circles import circles
from models.scan.prospective import Settings
from models.values import Area, ServiceRequest, Severity, Text, Warning

Message = Literal["Alert", "Update", "Cancel"]
MINUTE, HOUR = 60_000, 3_600_000
START = 1_750_032_000_000  # 2025-06-16 00:00 UTC
PERIOD = 10 * MINUTE
SPOTS = np.array([(104.0 + 0.01 * (k % 10), 30.6 + 0.01 * (k // 10)) for k in range(100)])


def rule(name: str, event: str, expr: str, severity: Severity = "Severe", clear: str = "") -> Rule:
    """A rule on events."""
    headline = Text(en="{place}: {value} {category}", zh="{place}：{value} {category}")
    return Rule("appeals-cluster", name, "events", event, expr, clear or f"NOT ({expr})", severity, headline)


RULES = (
    rule("Cluster", "cluster", "score >= 3 AND value >= 8 AND ratio >= 2"),
    rule("Late", "overdue", "code = '1h' AND due_minutes <= -10"),
    rule("Named", "satisfaction", "ratio < 0.85 AND places >= 30"),
    rule("Red", "warning", "colour = 'red'"),
)


def setup() -> Setup:
    """The city."""
    places = [
        Place(f"spot-{k}", Text(en=f"Spot {k}", zh=f"{k}号"), float(SPOTS[k, 0]), float(SPOTS[k, 1]), "d1")
        for k in range(100)
    ]
    schools = tuple(
        Site(id=f"s{k}", kind="school", name=Text(en="s", zh="s"), lon=float(SPOTS[k, 0]), lat=float(SPOTS[k, 1]))
        for k in range(100)
    )
    settings = Settings(durations=(1, 2, 3), history=60, ready=20, most=3, trusted=10, memory=50)
    return Setup(
        rules=RULES,
        subjects=(
            Subject("0101", Text(en="Standing water", zh="道路积水"), 0, "1h", 0),
            Subject("0401", Text(en="Noise", zh="噪声"), 1, "5d", 1),
        ),
        departments=(
            Department("department-water", Text(en="Water", zh="水务局")),
            Department("department-works", Text(en="Works", zh="城管委")),
        ),
        streams=(Text(en="Water", zh="水务"), Text(en="Environment", zh="环境")),
        ground=Ground(places, circles(SPOTS, 15, "great-circle"), PERIOD, 2, settings),
        sites=Sites(schools),
        calendar=UTC,
        centre=Place("city", Text(en="City", zh="城市"), 104.05, 30.65, ""),
    )


def appeals(periods: int, rng: np.random.Generator, first: int = 0, mean: float = 40.0) -> list[ServiceRequest]:
    """Appeals of a quiet city, ``mean`` a period, those about water answered within the period; in order."""
    found: list[ServiceRequest] = []
    for period in range(first, first + periods):
        count = int(rng.poisson(mean))
        times = np.sort(rng.integers(0, PERIOD, count)) + START + period * PERIOD
        for number, at in enumerate(times.tolist()):
            spot = SPOTS[int(rng.integers(100))]
            code = "0101" if rng.random() < 0.3 else "0401"
            found.append(request(f"{period}-{number}", code, at, spot, status="closed" if code == "0101" else "open"))
    return found


def burst(at: int, count: int, spot: int = 44, code: str = "0101") -> list[ServiceRequest]:
    """So many appeals about one thing at one place within a minute from ``at`` on."""
    return [
        request(f"burst-{at}-{k}", code, at + k * MINUTE // count, SPOTS[spot], status="closed") for k in range(count)
    ]


def request(name: str, code: str, at: int, spot: np.ndarray, status: str = "open") -> ServiceRequest:
    """One appeal at a spot (lon, lat)."""
    said = "下穿隧道积水" if code == "0101" else "夜间施工噪声"
    return ServiceRequest(
        id=name, code=code, category=code, status=status, description=said, requested=at, lon=float(spot[0]),
        lat=float(spot[1]),
    )  # fmt: skip


def warning(name: str, message: Message = "Alert", refers: tuple[str, ...] = (), **told: object) -> Warning:
    """A red CAP message about the south-west quarter of the places, for six hours from START; ``told`` differs."""
    square = ((103.99, 30.59), (104.045, 30.59), (104.045, 30.645), (103.99, 30.645))
    text = Text(en="Gale", zh="大风")
    usual = Warning(
        id=name, sender="met", sent=START, message=message, references=refers, event=text, headline=text,
        severity="Extreme", colour="red", areas=(Area(name="South-west", polygons=(square,)),),
        expires=START + 24 * HOUR,
    )  # fmt: skip
    return replace(usual, **told)
