"""What an after-action report tells: one incident from its first sign to its end, from the archive and the declared."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from citybrain.archive.reader import Archive, Case, Clock
from citybrain.reports.facts import ReportError
from config import city as cities
from config import register as registers
from config.city import City
from config.register import Register, RegisterError
from config.settings import Settings
from models.alarm import ANSWER_WITHIN_MS
from models.escalation import ACTION
from models.values import SEVERITIES, Alert, Incident, Task, Text, Transition, from_json
from wall.replay.notice import Notice

HOUR_MS, DAY_MS, WEEK_MS = 3_600_000, 86_400_000, 7 * 86_400_000
CURVES = 3  # places that are drawn
POINTS = 240  # of a curve, at most
WEEKS = 4  # that tell what is usual at this hour, where the archive has them
AROUND = 12  # readings before and after that are drawn at least
ZONES_NEAR_M = 6_000.0


@dataclass(frozen=True, slots=True)
class Curve:
    """What one place showed: (points,) times (ms) and values; ``usual`` of the weeks before, or None."""

    place: Text
    property: str
    unit: str
    step_ms: int
    time: NDArray[np.int64]
    value: NDArray[np.float64]
    usual: NDArray[np.float64] | None
    marks: tuple[Alert, ...]  # the alerts about it


@dataclass(frozen=True, slots=True)
class Deadline:
    """Something that had a time: when it was due and done (ms), by whom; ``met`` None while neither."""

    what: str  # alert, task
    name: Text
    severity: str
    since: int
    due: int
    done: int | None
    by: str
    met: bool | None


@dataclass(frozen=True, slots=True)
class Act:
    """One step: when (ms), who (empty: the system), what."""

    at: int
    by: str
    action: str
    comment: str


@dataclass(frozen=True, eq=False)
class AfterAction:
    """The facts; people's times are those of the room, readings' those of the sensors (``clock`` joins them)."""

    city: City
    register: Register
    incident: Incident
    alerts: tuple[Alert, ...]  # by onset
    clock: Clock
    start: int  # of the span that is drawn, time of the readings
    end: int
    made: int
    curves: tuple[Curve, ...]
    acts: tuple[Act, ...]
    deadlines: tuple[Deadline, ...]
    sent: tuple[tuple[str, int, int | None], ...]  # unit, when sent, when on scene
    others: tuple[Incident, ...]  # opened in the same span
    notices: tuple[Notice, ...]  # what of the archive could not be read

    def local(self, at: int) -> dt.datetime:
        """A moment in the city's time."""
        return dt.datetime.fromtimestamp(at / 1000, ZoneInfo(self.city.timezone))

    @property
    def escalations(self) -> int:
        """How often it had to be told to the next of the roster."""
        return sum(step.action == ACTION for step in self.incident.timeline)

    def took_s(self, *actions: str) -> float | None:
        """Seconds from the opening to the first of these acts; None where there was none."""
        found = [act.at for act in self.acts if act.action in actions]
        return (min(found) - self.incident.opened) / 1000 if found else None


def gather(settings: Settings, name: str | None, start: int | None, end: int | None, now: int) -> AfterAction:
    """The facts about the incident ``name``, or the gravest that began from ``start`` to ``end`` (ms).

    With both, the span that is drawn is that one. Raises ``ReportError``, or ``ArchiveError`` for an unknown incident.
    """
    if start is not None and end is not None and end <= start:
        raise ReportError("the span is empty; give --to after --from")
    city = cities.load(settings.city)
    archive = Archive.of(settings)
    case = archive.incident(name or _gravest(archive, start, end, now))
    try:
        register = registers.load(settings.register)
    except RegisterError as error:
        raise ReportError(f"the curves need the register: {error}") from error
    every = sorted(case.alerts.values(), key=lambda one: (one.detection.onset, one.id))
    alerts = tuple(one for one in every if _within(one, start, end))
    if every and not alerts:
        raise ReportError(f"no alert of incident {case.incident.id} was of that span; leave --from and --to out")
    if not alerts:
        raise ReportError(
            f"the archive has none of the alerts of incident {case.incident.id}; were its days moved away?"
        )
    step = _step_ms(register, alerts)
    first = alerts[0].detection.onset
    last = max(first, *(one.cleared or case.span[1] for one in alerts))
    around = max(AROUND * step, (last - first) // 4)
    span = (first - around if start is None else start, last + around if end is None else end)
    return AfterAction(
        city=city,
        register=register,
        incident=case.incident,
        alerts=alerts,
        clock=case.clock,
        start=span[0],
        end=span[1],
        made=now,
        curves=_curves(archive, register, city, alerts, *span),
        acts=_acts(case, {one.id for one in every} - {one.id for one in alerts}),
        deadlines=tuple(_deadlines(case, alerts, now)),
        sent=_sent(case),
        others=_others(archive, case, span, now),
        notices=tuple(archive.notices.told),
    )


def _gravest(archive: Archive, start: int | None, end: int | None, now: int) -> str:
    """The gravest incident of which an alert began in the span; of equals the one with the most alerts."""
    if start is None or end is None:
        raise ReportError("name an incident, or give --from and --to: the gravest that began between them is told")
    held = [from_json(body, Incident) for body in archive.last("incidents", now + DAY_MS).values()]
    alerts = {key: from_json(body, Alert) for key, body in archive.last("alerts", now + DAY_MS).items()}
    begun: dict[str, list[int]] = {}  # of each incident how grave its alerts of the span are
    for one in alerts.values():
        if start <= one.detection.onset < end:
            begun.setdefault(one.incident, []).append(SEVERITIES.index(one.severity))
    found = [one for one in held if one.id in begun and not one.merged_into and one.kind == "event"]
    if not found:
        raise ReportError(f"no incident of the city began in that span; the archive has {len(held)} of other times")
    return min(found, key=lambda one: (min(begun[one.id]), -len(begun[one.id]), one.opened)).id


def _within(alert: Alert, start: int | None, end: int | None) -> bool:
    """Whether its condition held in the span, as far as one is given."""
    begins = end is None or alert.detection.onset < end
    return begins and (start is None or alert.cleared is None or alert.cleared > start)


# --- curves ---------------------------------------------------------------------------------------------------------


def _step_ms(register: Register, alerts: Sequence[Alert]) -> int:
    """The longest cadence among what the alerts are about, ms."""
    rows = [row for alert in alerts if (row := _rows(register, None, alert)) is not None]
    cadence = register.frame["cadence_s"].to_numpy()
    return int(max((cadence[some].max() for some in rows if len(some)), default=60.0) * 1000)


def _property(register: Register, alert: Alert) -> str:
    """What the alert is about: its label, the unit's and pack's only property, or what most of the pack's say."""
    it = alert.detection
    if "property" in it.labels:
        return it.labels["property"]
    own = register.frame.filter(pack=it.pack, unit=it.unit)
    if it.place_kind == "asset":
        own = own.filter(asset=it.place)
    counts = own["property"].value_counts(sort=True)
    return str(counts["property"][0]) if len(counts) else ""


def _rows(register: Register, city: City | None, alert: Alert) -> NDArray[np.int64] | None:
    """The datastreams that the alert is about; ``city`` tells which lie in its zone."""
    it, name = alert.detection, _property(register, alert)
    of_it = (register.frame["property"] == name).to_numpy()
    if it.place_kind == "asset":
        return np.flatnonzero(of_it & (register.frame["asset"] == it.place).to_numpy())
    if city is None or it.place == city.id:
        return np.flatnonzero(of_it)
    row = city.index.get(it.place)
    if row is None:
        return None
    return np.flatnonzero(of_it & register.frame["zones"].list.contains(row).to_numpy())


def _curves(
    archive: Archive, register: Register, city: City, alerts: Sequence[Alert], start: int, end: int
) -> tuple[Curve, ...]:
    """One curve a place, those of the gravest alerts first."""
    ranked = sorted(alerts, key=lambda one: (SEVERITIES.index(one.severity), one.detection.onset))
    places: dict[tuple[str, str], list[Alert]] = {}
    for alert in ranked:
        if alert.detection.kind == "event" or len(ranked) == 1:
            places.setdefault((alert.detection.place, _property(register, alert)), []).append(alert)
    found: list[Curve] = []
    for (_, name), mine in places.items():
        rows = _rows(register, city, mine[0])
        if rows is None or not len(rows) or len(found) == CURVES:
            continue
        curve = _curve(archive, register, city, rows, name, tuple(mine), start, end)
        if curve is not None:
            found.append(curve)
    return tuple(found)


def _curve(
    archive: Archive,
    register: Register,
    city: City,
    rows: NDArray[np.int64],
    name: str,
    marks: tuple[Alert, ...],
    start: int,
    end: int,
) -> Curve | None:
    cadence = int(register.frame["cadence_s"].to_numpy()[rows].max() * 1000)
    step = max(cadence, -(-(end - start) // POINTS // cadence) * cadence)
    time, value = _summed(archive, rows, start, end, step)
    if not len(time):
        return None
    usual = _usual(archive, rows, time, step, city) if step >= HOUR_MS // 6 else None
    it = marks[0].detection
    return Curve(it.place_name, name, it.unit, step, time, value, usual, marks)


def _summed(
    archive: Archive, rows: NDArray[np.int64], start: int, end: int, step: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The sum over the datastreams of what each said in a step (its mean there), for the steps with readings."""
    table = archive.readings(start, end, [int(row) for row in rows])
    if not table.num_rows:
        return np.zeros(0, np.int64), np.zeros(0)
    when = table["time"].cast("int64").to_numpy() // step
    who, what = table["datastream"].to_numpy(), table["value"].to_numpy()
    known = ~np.isnan(what)
    keys, where = np.unique(np.stack([when[known], who[known]]), axis=1, return_inverse=True)
    sums, counts = np.bincount(where, what[known]), np.bincount(where)
    steps, at = np.unique(keys[0], return_inverse=True)
    return np.asarray(steps, np.int64) * step, np.bincount(at, sums / counts).astype(np.float64)


def _usual(
    archive: Archive, rows: NDArray[np.int64], time: NDArray[np.int64], step: int, city: City
) -> NDArray[np.float64] | None:
    """The median of the same hour of the week in the weeks before; None where the archive has fewer than two."""
    first, last = int(time[0]), int(time[-1])
    before, value = _summed(archive, rows, first - WEEKS * WEEK_MS, min(first, last), step)
    if not len(before) or first - int(before[0]) < 2 * WEEK_MS:
        return None
    hour = (city.calendar.local(before) % WEEK_MS) // step
    now = (city.calendar.local(time) % WEEK_MS) // step
    medians = {key: float(np.median(value[hour == key])) for key in np.unique(hour)}
    return np.array([medians.get(key, np.nan) for key in now])


# --- people ---------------------------------------------------------------------------------------------------------


def _acts(case: Case, left: set[str]) -> tuple[Act, ...]:
    """The incident's timeline, and what people did to its alerts that it does not tell; not of those ``left`` out."""
    done = {(key, step.at, f"alert-{step.action}"): step.by for key, one in case.alerts.items() for step in one.history}
    told = []
    for step in case.incident.timeline:
        alert_id, _, words = step.comment.partition(" ")
        if alert_id in left:
            continue
        by = step.by or done.get((alert_id, step.at, step.action), "")
        comment = step.comment if step.by or not by else words.replace(f" · {by}", "", 1)
        told.append(Act(step.at, by, step.action, comment))
    known = {(act.at, act.action.removeprefix("alert-")) for act in told}
    for alert in (one for one in case.alerts.values() if one.id not in left):
        told += [
            Act(
                step.at,
                step.by,
                f"alert-{step.action}",
                alert.detection.headline.zh + " / " + alert.detection.headline.en,
            )
            for step in alert.history
            if step.by and (step.at, step.action) not in known
        ]
    return tuple(sorted(told, key=lambda act: act.at))


def _deadlines(case: Case, alerts: Sequence[Alert], now: int) -> list[Deadline]:
    """Each alert's time to be answered, each task's to be done."""
    over = case.incident.closed or now
    found = []
    for alert in alerts:
        if alert.state == "suppressed":
            continue
        due = alert.opened + ANSWER_WITHIN_MS[alert.severity]
        done = _answered(alert.history)
        ended = min(over, alert.closed or over)  # one that is over before its time is asked for no more
        found.append(_due("alert", alert.detection.headline, alert.severity, alert.opened, due, done, ended))
    launched = next((step.at for step in case.incident.timeline if step.action == "launch"), case.incident.opened)
    found += [
        _due("task", task.what, "", launched, task.deadline, _done(task), over)
        for task in case.incident.tasks
        if task.deadline is not None
    ]
    return sorted(found, key=lambda one: one.due)


def _answered(history: Sequence[Transition]) -> tuple[int, str] | None:
    return next(((step.at, step.by) for step in history if step.action == "acknowledge"), None)


def _done(task: Task) -> tuple[int, str] | None:
    return (task.at, task.by) if task.state != "open" and task.at is not None else None


def _due(
    what: str, name: Text, severity: str, since: int, due: int, done: tuple[int, str] | None, over: int
) -> Deadline:
    at, by = done or (None, "")
    met = at <= due if at is not None else False if over > due else None
    return Deadline(what, name, severity, since, due, at, by, met)


def _sent(case: Case) -> tuple[tuple[str, int, int | None], ...]:
    """Each unit that was sent, and when it was on the scene."""
    found: dict[str, list[int | None]] = {}
    for step in case.incident.timeline:
        unit = step.comment.partition(" ")[0].rstrip(",:")
        if step.action == "unit-send":
            found.setdefault(unit, [step.at, None])
        elif step.action == "unit-arrive" and unit in found and found[unit][1] is None:
            found[unit][1] = step.at
    return tuple((unit, int(sent or 0), there) for unit, (sent, there) in found.items())


def _others(archive: Archive, case: Case, span: tuple[int, int], now: int) -> tuple[Incident, ...]:
    """Incidents that opened within the same time, as the room's clock tells it."""
    begin, end = case.done
    held = [from_json(body, Incident) for body in archive.last("incidents", now + DAY_MS).values()]
    near = [
        one
        for one in held
        if one.id != case.incident.id and not one.merged_into and begin - HOUR_MS <= one.opened <= end + HOUR_MS
    ]
    clock = case.clock
    fits = [one for one in near if span[0] <= clock.phenomenon(one.opened) <= span[1]]
    return tuple(sorted(fits, key=lambda one: one.opened))
