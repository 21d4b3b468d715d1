"""How well the alarms serve the people who answer them, after ISA-18.2 and EEMUA 191.

``measure`` looks at the alerts that opened in a span of processing time. Drills do not count. What was hidden when it
opened (inhibited, silenced, suppressed, out of service) disturbed nobody: it counts as ``hidden`` and in no load.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.flood import BEGINS, ENDS, WINDOW_MS
from models.values import SEVERITIES, Alert, Severity, Text

HOUR_MS = 3_600_000
WORST = 10  # bad actors that are listed
LISTED = 100  # stale and chattering alerts that are listed
# EEMUA 191: of the alarms 5 % high, 15 % medium, 80 % low
TARGET: dict[str, float] = {"Extreme": 0.05, "Severe": 0.15, "Moderate+Minor": 0.80}
LOAD = ((6.0, "acceptable"), (12.0, "manageable"), (float("inf"), "overloaded"))  # alerts an hour and operator
HIDDEN = ("suppressed", "shelved", "out-of-service")


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """How long something took, in seconds, by percentile; None without a case. ``open``: not done yet."""

    count: int
    open: int
    p50_s: float | None
    p90_s: float | None
    p95_s: float | None
    max_s: float | None


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """One rule at one place, with its share of all alerts."""

    pack: str
    rule: str
    place: str
    place_name: Text
    alerts: int
    share: float


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that is listed."""

    id: str
    rule: str
    place: str
    place_name: Text
    opened: int
    severity: Severity


class Flooding(msgspec.Struct, frozen=True, kw_only=True):
    """One span of flood, ms, and how many alerts opened in it."""

    start: int
    end: int
    alerts: int


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one span of time for a room of ``operators``."""

    start: int
    end: int
    operators: int
    alerts: int
    hidden: int  # opened while something hid them
    per_operator_hour: float
    load: str  # acceptable (to 6 an hour), manageable (to 12), overloaded
    peak_10_min: int  # the most that opened within ten minutes
    flood_s: float
    flood_share: float  # of the span
    floods: tuple[Flooding, ...]
    acknowledgement: dict[str, Spread]  # by severity, and "all"
    resolution: dict[str, Spread]  # to the return to normal and the end of the alert
    in_time: float | None  # share of those acknowledged, or due by now, that were acknowledged by their deadline
    priorities: dict[str, float]  # share by severity
    priorities_target: dict[str, float]
    bad_actors: tuple[Actor, ...]
    worst_share: float  # of all alerts that the listed bad actors made
    stale: tuple[Named, ...]
    chattering: tuple[Named, ...]


def measure(alerts: Iterable[Alert], start: int, end: int, operators: int, now: int) -> Quality:
    """The quality from ``start`` to ``end`` (ms, not included) for ``operators`` (at least 1), as known at ``now``."""
    if end <= start:
        raise ValueError(f"the span from {start} to {end} is empty; give an end after the start")
    if operators < 1:
        raise ValueError(f"{operators} operators; at least 1 has to answer")
    known = [one for one in alerts if start <= one.opened < end and not one.detection.exercise]
    shown = [one for one in known if not _hidden_at_first(one)]
    until = min(end, max(now, start + 1))
    times = np.sort(np.array([one.opened for one in shown], np.int64))
    found = floods(times, until, operators)
    flood_ms = sum(one.end - one.start for one in found)
    rate = len(shown) / operators / ((until - start) / HOUR_MS)
    actors = worst(shown)
    return Quality(
        start=start,
        end=end,
        operators=operators,
        alerts=len(shown),
        hidden=len(known) - len(shown),
        per_operator_hour=round(rate, 3),
        load=next(name for limit, name in LOAD if rate <= limit),
        peak_10_min=int(_in_window(times).max(initial=0)),
        flood_s=flood_ms / 1000,
        flood_share=flood_ms / (until - start),
        floods=found,
        acknowledgement=_by_severity(shown, _acknowledged_s),
        resolution=_by_severity(shown, _resolved_s),
        in_time=_in_time(shown, now),
        priorities={name: _share(sum(one.severity == name for one in shown), len(shown)) for name in SEVERITIES},
        priorities_target=TARGET,
        bad_actors=actors,
        worst_share=_share(sum(actor.alerts for actor in actors), len(shown)),
        stale=_listed(one for one in shown if one.stale),
        chattering=_listed(one for one in shown if one.chattering),
    )


def floods(times: NDArray[np.int64], end: int, operators: int) -> tuple[Flooding, ...]:
    """The spans of flood: from 10 alerts in 10 minutes and operator until there are fewer than 5, or the ``end``.

    ``times`` (alerts,) ms, ascending. The count falls when an alert leaves the window, ten minutes after it came.
    """
    begins, ends = BEGINS * operators, ENDS * operators
    steps = Counter(times.tolist())
    steps.subtract((times + WINDOW_MS).tolist())  # what comes and what leaves in one moment counts together
    found, count, since = [], 0, None
    for at in sorted(steps):
        count += steps[at]
        if since is None and count >= begins:
            since = at
        elif since is not None and count < ends:
            found.append((since, min(at, end)))
            since = None
    if since is not None:
        found.append((since, end))
    return tuple(Flooding(start=a, end=b, alerts=int(((times >= a) & (times < b)).sum())) for a, b in found if b > a)


def worst(alerts: Sequence[Alert]) -> tuple[Actor, ...]:
    """The rules at places that made the most alerts, at most ten; each at least two."""
    counts = Counter((one.detection.pack, one.detection.rule, one.detection.place) for one in alerts)
    names = {one.detection.place: one.detection.place_name for one in alerts}
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:WORST]
    return tuple(
        Actor(
            pack=pack, rule=rule, place=place, place_name=names[place], alerts=count, share=_share(count, len(alerts))
        )
        for (pack, rule, place), count in ranked
        if count > 1
    )


def spread(seconds: Sequence[float], still_open: int) -> Spread:
    """The percentiles of ``seconds``; ``still_open`` are those of which it is not known yet."""
    if not seconds:
        return Spread(count=0, open=still_open, p50_s=None, p90_s=None, p95_s=None, max_s=None)
    p50, p90, p95, most = (round(float(one), 3) for one in np.percentile(np.array(seconds), [50, 90, 95, 100]))
    return Spread(count=len(seconds), open=still_open, p50_s=p50, p90_s=p90, p95_s=p95, max_s=most)


def _by_severity(alerts: Sequence[Alert], took: Callable[[Alert], float | None]) -> dict[str, Spread]:
    groups = {"all": list(alerts)} | {name: [one for one in alerts if one.severity == name] for name in SEVERITIES}
    found = {}
    for name, group in groups.items():
        seconds = [one for one in map(took, group) if one is not None]
        found[name] = spread(seconds, len(group) - len(seconds))
    return found


def _acknowledged_s(alert: Alert) -> float | None:
    return None if alert.acknowledged_at is None else (alert.acknowledged_at - alert.opened) / 1000


def _resolved_s(alert: Alert) -> float | None:
    return None if alert.closed is None else (alert.closed - alert.opened) / 1000


def _in_time(alerts: Sequence[Alert], now: int) -> float | None:
    judged = [one for one in alerts if one.acknowledged_at is not None or one.deadline <= now]
    if not judged:
        return None
    good = sum(one.acknowledged_at is not None and one.acknowledged_at <= one.deadline for one in judged)
    return _share(good, len(judged))


def _hidden_at_first(alert: Alert) -> bool:
    """Whether something hid it at the moment it opened, and until now nothing showed it."""
    if alert.state in HIDDEN and alert.hidden_by.startswith(("alert/", "silence/")):
        return all(step.now in HIDDEN or step.at == alert.opened for step in alert.history)
    return False


def _in_window(times: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many alerts opened in the ten minutes up to each, itself included."""
    before = np.searchsorted(times, times - WINDOW_MS, side="right")
    return np.arange(1, len(times) + 1, dtype=np.int64) - before


def _listed(alerts: Iterable[Alert]) -> tuple[Named, ...]:
    chosen = sorted(alerts, key=lambda one: (-one.opened, one.id))[:LISTED]
    return tuple(
        Named(
            id=one.id,
            rule=one.detection.rule,
            place=one.detection.place,
            place_name=one.detection.place_name,
            opened=one.opened,
            severity=one.severity,
        )
        for one in chosen
    )


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0
