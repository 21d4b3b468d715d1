"""Incidents: what people own. Opened by alerts, moved on by orders, told by a timeline that is never edited.

    open ──assign──▶ assigned ──under-way──▶ under-way ──on-scene──▶ on-scene ──resolve──▶ resolved ──close──▶ closed
      ▲                                                                   ▲                  │                    │
      └──────────────────────────── reopen (open without an owner, else assigned) ◀──────────┴────────────────────┘

All functions are pure: an incident and what happened in, the new incident out. What touches other subjects too (an
order to acknowledge the alerts, merging, splitting, launching a plan) is put together by models/room.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, get_args

from msgspec.structs import replace

from models.orders import Refused
from models.values import (
    SEVERITIES,
    Alert,
    Incident,
    IncidentState,
    Order,
    Severity,
    Task,
    Text,
    Transition,
)

LISTED = 500  # alerts named in an incident; all know their incident
LINES_A_MINUTE = 10  # of its alerts in the timeline; what is more is told as one line
RESOLVED_MS = 3_600_000  # a resolved incident without open alerts is closed after so long
TEXT_LIMIT, LINKS, TASKS = 2_000, 50, 200
LEADS = ("supervisor", "admin", "system")  # may take what another owns
ORDER = tuple(get_args(IncidentState))
_NEXT: Mapping[str, tuple[tuple[IncidentState, ...], IncidentState]] = {  # do: (from these states, to)
    "under-way": (("assigned",), "under-way"),
    "on-scene": (("assigned", "under-way"), "on-scene"),
    "resolve": (("assigned", "under-way", "on-scene"), "resolved"),
    "close": (("resolved",), "closed"),
    "reopen": (("resolved", "closed"), "assigned"),
}


def incident_id(first: str) -> str:
    """The deterministic id of the incident that the alert ``first`` opens (or the order, for one that is split off)."""
    return hashlib.blake2b(f"incident|{first}".encode(), digest_size=8).hexdigest()


def opened(alert: Alert, now: int, cameras: tuple[str, ...] = ()) -> Incident:
    """The incident of an alert that belongs to no other."""
    it = alert.detection
    name = incident_id(alert.id)
    return Incident(
        id=name,
        title=it.headline,
        state="open",
        severity=alert.severity,
        kind=it.kind,
        pack=it.pack,
        place=it.place,
        place_name=it.place_name,
        lon=it.lon,
        lat=it.lat,
        district=it.district,
        opened=now,
        changed=now,
        alerts=(alert.id,),
        count=1,
        active=1,
        cameras=cameras,
        exercise=it.exercise,
        timeline=(Transition(at=now, was="", now="open", action="opened", comment=told(alert)),),
    )


def joined(incident: Incident, alert: Alert, now: int, line: bool = True) -> Incident:
    """The incident with one more alert, told in a ``line`` of its own.

    A graver alert that is not hidden raises it and gives it its title and its place: what began with a district may
    become one square, and that is where units go and what plans are asked about.
    """
    after = replace(incident, alerts=(*incident.alerts, alert.id)[-LISTED:], count=incident.count + 1, changed=now)
    if line:
        after = step(after, now, "alert-joined", told(alert))
    if incident.state == "resolved":
        after = _moved(after, now, _reopened(incident), "reopened", comment="a new alert")
    if _graver(alert.severity, incident.severity) and alert.state != "suppressed":
        it = alert.detection
        after = replace(
            after, severity=alert.severity, title=it.headline, pack=it.pack, place=it.place, place_name=it.place_name,
            lon=it.lon, lat=it.lat, district=it.district,
        )  # fmt: skip
        after = step(after, now, "raised", alert.severity)
    return after


def merged(into: Incident, other: Incident, now: int, order: Order | None = None) -> tuple[Incident, Incident]:
    """``into`` with all that ``other`` has, and ``other`` closed; both timelines say so."""
    after = replace(
        into,
        alerts=(*other.alerts, *into.alerts)[-LISTED:],
        count=into.count + other.count,
        tasks=(*into.tasks, *_renamed(other.tasks, other.id)),
        units=tuple(dict.fromkeys((*into.units, *other.units))),
        links=tuple(dict.fromkeys((*into.links, *other.links)))[:LINKS],
        plan=into.plan or other.plan,
        proposal=into.proposal or other.proposal,
        changed=now,
    )
    if _graver(other.severity, into.severity):
        after = replace(
            after, severity=other.severity, title=other.title, pack=other.pack, place=other.place,
            place_name=other.place_name, lon=other.lon, lat=other.lat, district=other.district,
        )  # fmt: skip
    after = step(after, now, "merged", f"{other.id}: {other.title.zh} / {other.title.en}", order)
    done = replace(other, merged_into=into.id, active=0, units=(), proposal=None, deadline=None, escalation=0)
    return after, _moved(done, now, "closed", "merged-into", order, into.id)


def split(incident: Incident, alerts: list[Alert], order: Order, now: int) -> tuple[Incident, Incident]:
    """The incident without ``alerts``, and the new one that they make; raises ``Refused`` when nothing would stay."""
    if not alerts:
        raise Refused("split needs args.alerts, open alerts of the incident", "invalid", incident.state, incident.owner)
    names = {alert.id for alert in alerts}
    if incident.active <= len(names):
        raise Refused(
            f"incident {incident.id} has {incident.active} open alerts; leave at least one of them in it", "conflict",
            incident.state, incident.owner,
        )  # fmt: skip
    gravest = min(alerts, key=lambda alert: SEVERITIES.index(alert.severity))
    fresh = opened(gravest, now)
    fresh = replace(
        fresh, id=incident_id(order.id), alerts=tuple(a.id for a in alerts)[-LISTED:], count=len(alerts),
        active=len(alerts), timeline=(),
    )  # fmt: skip
    fresh = _moved(fresh, now, "open", "split-from", order, incident.id)
    rest = replace(
        incident, alerts=tuple(a for a in incident.alerts if a not in names), count=incident.count - len(names),
        active=incident.active - len(names), changed=now,
    )  # fmt: skip
    return step(rest, now, "split", f"{fresh.id}: {len(alerts)}", order), fresh


def elapsed(incident: Incident, now: int) -> Incident:
    """The incident as time alone changes it: one that is over closes by itself."""
    if incident.active or incident.merged_into:
        return incident
    if incident.state == "open":
        return _moved(incident, now, "closed", "closed", comment="all alerts are over and nobody took it")
    if incident.state == "resolved" and now - incident.changed >= RESOLVED_MS:
        return _moved(incident, now, "closed", "closed", comment="resolved, and all alerts are over")
    return incident


def ended(incident: Incident, now: int, why: str) -> Incident:
    """The incident of an exercise that is over, closed."""
    return _moved(
        replace(incident, active=0, proposal=None, deadline=None), now, "closed", "exercise-over", comment=why
    )


def obey(incident: Incident, order: Order, now: int) -> Incident:
    """The incident after an order that concerns it alone; raises ``Refused``. The same order again changes nothing."""
    if seen(incident, order):
        return incident
    doing = _DOING.get(order.do)
    if doing is None:
        raise Refused(f"{order.do} is nothing to do with an incident; use {', '.join(DOABLE)}", "invalid")
    if incident.merged_into:
        raise Refused(
            f"incident {incident.id} is part of {incident.merged_into} now", "conflict", incident.state, incident.owner
        )
    return doing(incident, order, now)


def seen(incident: Incident, order: Order) -> bool:
    """Whether the incident has obeyed this very order before."""
    return any(line.command == order.id for line in incident.timeline)


def step(incident: Incident, now: int, action: str, comment: str = "", order: Order | None = None) -> Incident:
    """The incident with one more line in its timeline, its state as it was."""
    return _moved(incident, now, incident.state, action, order, comment)


def told(alert: Alert) -> str:
    """An alert as one line of a timeline: its id and headline."""
    return f"{alert.id} {alert.detection.headline.zh} / {alert.detection.headline.en}"


# --- orders -------------------------------------------------------------------------------------------------------


def _assign(incident: Incident, order: Order, now: int) -> Incident:
    owner = str(order.args.get("owner") or order.by)
    _check_open(incident)
    if incident.owner == owner:
        raise Refused(f"incident {incident.id} is {owner}'s already", "conflict", incident.state, incident.owner)
    if incident.owner and order.by != incident.owner and order.role not in LEADS:
        raise Refused(f"incident {incident.id} is {incident.owner}'s", "conflict", incident.state, incident.owner)
    state: IncidentState = "assigned" if incident.state == "open" else incident.state
    comment = ": ".join(part for part in (owner, order.comment) if part)
    return _moved(replace(incident, owner=owner), now, state, "assign", order, comment)


def _release(incident: Incident, order: Order, now: int) -> Incident:
    _check_open(incident)
    if not incident.owner:
        raise Refused(f"incident {incident.id} has no owner", "conflict", incident.state)
    if order.by != incident.owner and order.role not in LEADS:
        raise Refused(f"incident {incident.id} is {incident.owner}'s", "conflict", incident.state, incident.owner)
    return _moved(replace(incident, owner=""), now, "open", "release", order, order.comment)


def _move(incident: Incident, order: Order, now: int) -> Incident:
    sources, target = _NEXT[order.do]
    if incident.state not in sources:
        wanted = " or ".join(sources)
        raise Refused(
            f"incident {incident.id} is {incident.state}; {order.do} needs it {wanted}", "conflict", incident.state,
            incident.owner,
        )  # fmt: skip
    if order.do == "close" and incident.active:
        raise Refused(
            f"{incident.active} alerts of incident {incident.id} are open; acknowledge or shelve them first",
            "conflict", incident.state, incident.owner,
        )  # fmt: skip
    state = _reopened(incident) if order.do == "reopen" else target
    return _moved(incident, now, state, order.do, order, order.comment)


def _severity(incident: Incident, order: Order, now: int) -> Incident:
    _check_open(incident)
    severity = order.args.get("severity")
    if severity not in SEVERITIES:
        raise Refused(f"severity {severity!r} is none; use {', '.join(SEVERITIES)}", "invalid")
    if severity == incident.severity:
        raise Refused(f"incident {incident.id} is {severity} already", "conflict", incident.state, incident.owner)
    comment = ": ".join(part for part in (f"{incident.severity} → {severity}", order.comment) if part)
    return step(replace(incident, severity=severity), now, "severity", comment, order)


def _comment(incident: Incident, order: Order, now: int) -> Incident:
    if not order.comment.strip():
        raise Refused("a comment needs its text", "invalid")
    return step(incident, now, "comment", order.comment, order)


def _link(incident: Incident, order: Order, now: int) -> Incident:
    url = str(order.args.get("url") or "")
    if not url.startswith(("https://", "http://")) or len(url) > TEXT_LIMIT:
        raise Refused(f"url {url[:100]!r} is none; give args.url beginning with https://", "invalid")
    if len(incident.links) >= LINKS:
        raise Refused(f"incident {incident.id} has {LINKS} links, no more are kept", "conflict", incident.state)
    links = tuple(dict.fromkeys((*incident.links, url)))
    return step(replace(incident, links=links), now, "link", url, order)


def _task(incident: Incident, order: Order, now: int) -> Incident:
    _check_open(incident)
    what = str(order.args.get("what") or "").strip()
    if not what or len(what) > TEXT_LIMIT:
        raise Refused(f"a task needs args.what, 1 to {TEXT_LIMIT} characters", "invalid")
    if len(incident.tasks) >= TASKS:
        raise Refused(f"incident {incident.id} has {TASKS} tasks, no more are kept", "conflict", incident.state)
    minutes = order.args.get("minutes")
    if minutes is not None and (
        isinstance(minutes, bool) or not isinstance(minutes, int | float) or not 0 < minutes <= 10_080
    ):
        raise Refused(f"minutes: {minutes!r} is no deadline; give 1 to 10080", "invalid")
    task = Task(
        id=f"t-{order.id}"[:64], what=Text(en=what, zh=what), who=str(order.args.get("who") or ""),
        deadline=None if minutes is None else now + round(minutes * 60_000),
    )  # fmt: skip
    return step(replace(incident, tasks=(*incident.tasks, task)), now, "task", what, order)


def _tick(incident: Incident, order: Order, now: int) -> Incident:
    name, state = order.args.get("task"), order.args.get("state", "done")
    if state not in ("done", "skipped", "open"):
        raise Refused(f"state {state!r} is none of a task; use done, skipped or open", "invalid")
    task = next((one for one in incident.tasks if one.id == name), None)
    if task is None:
        raise Refused(f"incident {incident.id} has no task {name}", "unknown", incident.state, incident.owner)
    if task.state == state:
        raise Refused(f"task {name} is {state} already", "conflict", task.state, task.by)
    ticked = replace(
        task, state=state, by="" if state == "open" else order.by, at=None if state == "open" else now,
        comment=order.comment,
    )  # fmt: skip
    tasks = tuple(ticked if one is task else one for one in incident.tasks)
    comment = ": ".join(part for part in (f"{task.what.zh} / {task.what.en}", order.comment) if part)
    return step(replace(incident, tasks=tasks), now, f"task-{state}", comment, order)


def _wall(incident: Incident, order: Order, now: int) -> Incident:
    """Give the incident the big screen, or take it off, until somebody says otherwise."""
    wanted: Literal["on", "off"] = "on" if order.do == "wall-on" else "off"
    if wanted == "on":
        _check_open(incident)
        if incident.wall == "on":
            raise Refused(f"incident {incident.id} has the wall already", "conflict", incident.state, incident.owner)
    return step(replace(incident, wall=wanted, wall_at=now), now, order.do, order.comment, order)


_Doing = Callable[[Incident, Order, int], Incident]
_DOING: dict[str, _Doing] = {
    "assign": _assign,
    "release": _release,
    **dict.fromkeys(_NEXT, _move),
    "severity": _severity,
    "comment": _comment,
    "link": _link,
    "task": _task,
    "tick": _tick,
    "wall-on": _wall,
    "wall-off": _wall,
}
# what models/room.py adds, for it concerns alerts, other incidents or plans too
TOGETHER = ("acknowledge", "merge", "split", "launch", "decline")
DOABLE = (*_DOING, *TOGETHER)


# --- parts ----------------------------------------------------------------------------------------------------------


def _check_open(incident: Incident) -> None:
    if incident.state in ("resolved", "closed"):
        raise Refused(
            f"incident {incident.id} is {incident.state}; reopen it first", "conflict", incident.state, incident.owner
        )


def _reopened(incident: Incident) -> IncidentState:
    return "assigned" if incident.owner else "open"


def _graver(one: Severity, other: Severity) -> bool:
    return SEVERITIES.index(one) < SEVERITIES.index(other)


def _renamed(tasks: Iterable[Task], incident: str) -> tuple[Task, ...]:
    """Tasks under names that cannot clash with another incident's."""
    return tuple(replace(task, id=f"{incident[:6]}-{task.id}"[:64]) for task in tasks)


def _moved(
    incident: Incident, now: int, state: IncidentState, action: str, order: Order | None = None, comment: str = ""
) -> Incident:
    """The incident in ``state`` with this line at the end of its timeline."""
    line = Transition(
        at=now, was=incident.state, now=state, action=action, by=order.by if order else "", comment=comment,
        command=order.id if order else "",
    )  # fmt: skip
    closed = now if state == "closed" else None
    return replace(incident, state=state, closed=closed, changed=now, timeline=(*incident.timeline, line))
