"""From a rule's change at a place to a detection that people can read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from models.layout import Place
from models.rules import Change, Rule
from models.values import Detection, Text, Why, alert_id

# What a headline may name in braces; numbers come rounded.
HEADLINE_WORDS = (
    "place", "value", "expected", "ratio", "percent", "unit", "line", "minutes", "probability", "category",
    "rise",
)  # fmt: skip


def headline(template: Text, place: Text, columns: Mapping[str, Any], unit: str) -> Text:
    """The headline of a rule filled with what was seen.

    ``{value}`` and ``{expected}`` are rounded to three figures, ``{ratio}`` is value / expected, ``{percent}`` the
    occupancy in per cent, ``{line}`` the rule's line, ``{minutes}`` until it is crossed and ``{probability}`` of that
    within the hour in per cent, ``{rise}`` how fast it rises an hour, ``{category}`` that of an event; what is not
    known reads "?".
    """
    value, expected = columns.get("value"), columns.get("expected")
    occupancy, minutes, chance = (columns.get(name) for name in ("occupancy", "minutes_to_line", "line_probability"))
    words = {
        "value": _figure(value),
        "expected": _figure(expected),
        "ratio": f"{value / expected:.1f}" if value is not None and expected else "?",
        "percent": f"{100 * occupancy:.0f}" if occupancy is not None else "?",
        "rise": _figure(columns.get("rise")),
        "unit": "" if unit == "1" else unit,
        "line": _figure(columns.get("line")),
        "minutes": f"{math.ceil(minutes)}" if minutes is not None else "?",
        "probability": f"{100 * chance:.0f}" if chance is not None else "?",
    }
    said = columns.get("category") or "?"
    category = said if isinstance(said, Text) else Text(en=str(said), zh=str(said))
    return Text(
        en=template.en.format(place=place.en, category=category.en, **words).strip(),
        zh=template.zh.format(place=place.zh, category=category.zh, **words).strip(),
    )


def _figure(number: float | None) -> str:
    if number is None:
        return "?"
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def from_change(
    rule: Rule,
    change: Change,
    place: Place,
    place_kind: Literal["zone", "asset"],
    columns: Mapping[str, Any],
    unit: str,
    exercise: bool,
    why: Why | None = None,
) -> Detection:
    """The detection of ``rule`` at ``place``; ``columns`` is the row of the frame that made it."""
    return Detection(
        id=alert_id(rule.pack, rule.name, place.id, change.onset),
        pack=rule.pack,
        rule=rule.name,
        place=place.id,
        place_kind=place_kind,
        place_name=place.name,
        lon=place.lon,
        lat=place.lat,
        district=place.district,
        state=change.state,
        kind=rule.kind,
        severity=rule.severity,
        onset=change.onset,
        time=change.time,
        value=columns.get("value"),
        expected=columns.get("expected"),
        score=columns.get("score"),
        unit=unit,
        headline=headline(rule.headline, place.name, {**columns, "line": rule.line}, unit),
        labels=dict(rule.labels),
        exercise=exercise,
        why=why,
    )
