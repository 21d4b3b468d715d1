"""What a response plan's table may ask about: each input, where it comes from, and the values it can have.

An input that the city does not measure at the place is None, and a condition on it does not hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.calendar import HOLIDAY, WEEKEND, WORKDAY, Calendar
from models.values import SEVERITIES, Alert, Incident

Value = str | float | None
Inputs = Mapping[str, Value]
HOUR_MS = 3_600_000
MINUTE_MS = 60_000
DAY_KINDS = {WORKDAY: "working-day", WEEKEND: "weekend", HOLIDAY: "holiday"}


@dataclass(frozen=True, slots=True)
class Input:
    """One input: a ``number`` within [``low``, ``high``] in ``unit``, or a ``word`` (one of ``words`` unless empty).

    ``grows`` with the danger: before a plan steps down the table is asked again with these raised by a margin.
    """

    kind: Literal["number", "word"]
    means: str
    source: str
    unit: str = ""
    low: float = 0.0
    high: float = float("inf")
    words: tuple[str, ...] = ()
    grows: bool = False


def _level(means: str, source: str, unit: str = "", low: float = 0.0) -> Input:
    return Input("number", means, source, unit, low, grows=True)


_SUM = "the zone's row of the live picture"
_ALERT = "the incident's newest alert at the place"
_GAUGE = "the asset itself; of a zone the highest inside it"
INPUTS: dict[str, Input] = {
    "hour": Input("number", "local hour of the day", "the city's clock", "h", 0.0, 23.99),
    "day_kind": Input("word", "kind of day", "the city's calendar", words=tuple(DAY_KINDS.values())),
    "zone": Input("word", "id of the place asked about", "the incident's gravest alert"),
    "district": Input("word", "id of the district", "the incident"),
    "rule": Input("word", "name of the rule that raised the newest alert", _ALERT),
    "severity": Input("word", "severity of the incident", "the incident", words=SEVERITIES),
    "minutes": Input("number", "since the incident was opened", "the incident", "min"),
    "stage": Input("word", "stage of the plan in force; empty when none is", "the incident"),
    "people": _level("people in view of the zone's cameras", _SUM),
    "inflow": _level("change of people over the last 5 minutes", "two rows 5 minutes apart", "1/min", -float("inf")),
    "occupancy": _level("people / capacity", _SUM),
    "density": _level("people on a square metre", _SUM, "1/m2"),
    "pedestrians": _level("people past the zone's counters in an hour", _SUM, "1/h"),
    "vehicles": _level("vehicles in the zone", _SUM),
    "rainfall": _level("rain intensity; without a gauge there, the highest of the district", _GAUGE, "mm/h"),
    "water_level": _level("depth of standing water", _GAUGE, "m"),
    "value": _level("what the rule looks at", f"{_ALERT}, then {_SUM}", low=-float("inf")),
    "expected": Input("number", "what was expected of it", f"{_ALERT}, then {_SUM}", low=-float("inf")),
    "ratio": _level("value / expected", f"{_ALERT}, then {_SUM}"),
    "score": _level("how surprising the value is, -log10 of the tail probability", f"{_ALERT}, then {_SUM}"),
}
SUMMED = ("people", "pedestrians", "vehicles")  # properties that are summed over zones, as inputs of their own
GAUGED = ("rainfall", "water_level")  # properties of which the highest counts


def gather(
    incident: Incident,
    place: str,
    alert: Alert | None,
    measured: str,
    zone: Mapping[str, Mapping[str, float | None]],
    gauges: Mapping[str, float | None],
    inflow: float | None,
    calendar: Calendar,
    now: int,
) -> dict[str, Value]:
    """Every input of the table for ``incident`` at ``place`` and ``now`` (ms), so far as it is known.

    ``alert`` is the incident's newest there and ``measured`` the property its rule looks at; ``zone`` its place's rows
    of the live picture by property (columns value, expected, ratio, score, occupancy, density); ``gauges`` the highest
    reading of each of ``GAUGED``; ``inflow`` the people a minute that the place gains.
    """
    if incident.exercise:  # the city's own sensors know nothing of what a drill says there is
        zone, gauges, inflow = *_drilled(alert, measured), None
    local = calendar.local(np.array([now], np.int64))
    found: dict[str, Value] = dict.fromkeys(INPUTS)
    found |= {
        "hour": float(local[0] % (24 * HOUR_MS)) / HOUR_MS,
        "day_kind": DAY_KINDS[int(calendar.day_kind(local)[0])],
        "zone": place,
        "district": incident.district,
        "severity": incident.severity,
        "minutes": max(now - incident.opened, 0) / MINUTE_MS,
        "stage": incident.plan.stage if incident.plan else "",
        "inflow": inflow,
    }
    found |= _of_alert(alert, zone.get(measured, {}))
    found |= {name: zone[name].get("value") for name in SUMMED if name in zone}
    found |= {name: zone["people"].get(name) for name in ("occupancy", "density") if "people" in zone}
    return found | {name: gauges[name] for name in GAUGED if name in gauges}


def _drilled(
    alert: Alert | None, measured: str
) -> tuple[Mapping[str, Mapping[str, float | None]], Mapping[str, float | None]]:
    """The zone's row and the gauges of an exercise: what its newest alert saw, and nothing else."""
    if alert is None:
        return {}, {}
    seen = alert.detection
    row = {"value": seen.value, "expected": seen.expected, "score": seen.score}
    return ({measured: row} if measured in SUMMED else {}), ({measured: seen.value} if measured in GAUGED else {})


def _of_alert(alert: Alert | None, row: Mapping[str, float | None]) -> dict[str, Value]:
    """What the newest alert saw; where its place's row of the picture knows better, what that shows now."""
    if alert is None:
        return {}
    seen = alert.detection
    found: dict[str, Value] = {"rule": seen.rule, "value": seen.value, "expected": seen.expected, "score": seen.score}
    found |= {name: row[name] for name in ("value", "expected", "score") if row.get(name) is not None}
    value, expected = found["value"], found["expected"]
    known = isinstance(value, float | int) and isinstance(expected, float | int) and expected > 0
    return found | {"ratio": value / expected if known else None}  # type: ignore[operator]  # known: both are numbers


def raised(inputs: Inputs, margin: float) -> dict[str, Value]:
    """The inputs with all that grow with the danger made larger by ``margin``, a share of themselves."""
    return {
        name: value + abs(value) * margin if INPUTS[name].grows and isinstance(value, float | int) else value
        for name, value in inputs.items()
    }
