"""What is otherwise between two ways of judging one span: alerts that came, went, moved or changed their severity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from models.values import Detection

HOUR_MS = 3_600_000
MATCH_MS = HOUR_MS  # alerts of one rule and place that begin so near to one another are one that moved


class Alerted(msgspec.Struct, frozen=True):
    """One alert as the difference tells it; ``time`` ms of phenomenon time when it was made known."""

    id: str
    pack: str
    rule: str
    place: str
    name: dict[str, str]
    severity: str
    onset: int
    time: int
    headline: dict[str, str]
    minutes_earlier: float = 0.0  # of one that moved
    severity_was: str = ""  # of one that changed it


class Count(msgspec.Struct, frozen=True):
    """How many alerts, and how many an hour."""

    alerts: int
    per_hour: float


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What is otherwise; ``as_recorded``: with the rules as they are the re-run gave what was recorded. ``graded`` are
    alerts of the same moment whose severity is another one."""

    start: int
    end: int
    hours: float
    before: Count
    after: Count
    same: int
    came: tuple[Alerted, ...]
    gone: tuple[Alerted, ...]
    moved: tuple[Alerted, ...]
    graded: tuple[Alerted, ...]
    recorded: Count
    as_recorded: bool
    took_s: float = 0.0
    notices: tuple[dict[str, str], ...] = ()  # in both languages


Alerts = Mapping[str, Detection]  # by id


def difference(
    span: tuple[int, int], recorded: Alerts, before: Alerts, after: Alerts, notices: Iterable[dict[str, str]] = ()
) -> Difference:
    """The two ways compared; ``recorded`` is what was told live."""
    start, end = span
    hours = (end - start) / HOUR_MS
    pairs = [(before[key], one) for key, one in after.items() if key in before]
    gone = [one for key, one in before.items() if key not in after]
    came = [one for key, one in after.items() if key not in before]
    for one in list(came):
        near = [two for two in gone if _key(two) == _key(one) and abs(two.time - one.time) <= MATCH_MS]
        if near:
            was = min(near, key=lambda two: abs(two.time - one.time))
            gone.remove(was)
            came.remove(one)
            pairs.append((was, one))
    moved = [_told(now, was) for was, now in pairs if was.time != now.time]
    graded = [_told(now, was) for was, now in pairs if was.time == now.time and was.severity != now.severity]
    return Difference(
        start=start,
        end=end,
        hours=round(hours, 3),
        before=_count(before, hours),
        after=_count(after, hours),
        same=len(pairs) - len(moved) - len(graded),
        came=_sorted(_told(one) for one in came),
        gone=_sorted(_told(one) for one in gone),
        moved=_sorted(moved),
        graded=_sorted(graded),
        recorded=_count(recorded, hours),
        as_recorded=_moments(recorded) == _moments(before),
        notices=tuple(notices),
    )


def within(detections: Iterable[Detection], span: tuple[int, int]) -> dict[str, Detection]:
    """The alerts of a span by id, as detections that fired."""
    return {one.id: one for one in detections if one.state == "firing" and span[0] <= one.time <= span[1]}


def _moments(alerts: Alerts) -> list[tuple[int, str]]:
    return sorted((one.time, key) for key, one in alerts.items())


def _count(alerts: Alerts, hours: float) -> Count:
    return Count(len(alerts), round(len(alerts) / hours, 3))


def _key(one: Detection) -> tuple[str, str, str]:
    return one.pack, one.rule, one.place


def _sorted(rows: Iterable[Alerted]) -> tuple[Alerted, ...]:
    return tuple(sorted(rows, key=lambda one: (one.time, one.id)))


def _told(one: Detection, was: Detection | None = None) -> Alerted:
    names, headline = ({"en": text.en, "zh": text.zh} for text in (one.place_name, one.headline))
    earlier = 0.0 if was is None else round((was.time - one.time) / 60_000, 2)
    graded = was.severity if was is not None and was.severity != one.severity else ""
    return Alerted(
        one.id, one.pack, one.rule, one.place, names, one.severity, one.onset, one.time, headline, earlier, graded
    )
