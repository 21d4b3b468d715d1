"""When nobody answers: who is told next, and by when.

An incident that nobody has answered is told to the next rung of the roster's ladder at each deadline: 2 minutes after
it opened where it is red, 5 orange, 15 yellow, 60 blue, and again after as long. How far it has come (``escalation``)
and the next deadline lie in the incident itself, so a crash forgets neither; the messages' ids are made of incident,
rung and deadline, so that two processes which escalate the same thing tell it once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from msgspec.structs import replace

from models import roster as rosters
from models.roster import Duty, Roster
from models.values import Incident, Notification, Severity, Text, Transition

MINUTE_MS = 60_000
WITHIN_MS: dict[Severity, int] = {
    "Extreme": 2 * MINUTE_MS,
    "Severe": 5 * MINUTE_MS,
    "Moderate": 15 * MINUTE_MS,
    "Minor": 60 * MINUTE_MS,
}
COLOUR: dict[Severity, Text] = {
    "Extreme": Text(en="Red", zh="红色"),
    "Severe": Text(en="Orange", zh="橙色"),
    "Moderate": Text(en="Yellow", zh="黄色"),
    "Minor": Text(en="Blue", zh="蓝色"),
}
ACTION = "escalate"  # in the incident's timeline


def waits(incident: Incident) -> bool:
    """Whether it is still to be taken by somebody."""
    return incident.state == "open" and not incident.owner and not incident.merged_into


def armed(incident: Incident, now: int, answered: bool = False) -> Incident:
    """The incident with the deadline it ought to have; the same object when it has.

    To be called whenever it changed. Who takes it ends the escalation, and so does who acknowledges all of its alerts
    (``answered``); reopening it, or another alert, begins anew. A severity that was raised brings the deadline forward,
    a lowered one does not put it off.
    """
    if answered or not waits(incident):
        settled = incident.deadline is None and not incident.escalation
        return incident if settled else replace(incident, deadline=None, escalation=0)
    within = WITHIN_MS[incident.severity]
    if incident.deadline is None:
        if incident.escalation:  # the ladder has no more rungs
            return incident
        start = incident.opened if now - incident.opened < within else now
        return replace(incident, deadline=start + within)
    sooner = min(incident.deadline, now + within)
    return incident if sooner == incident.deadline else replace(incident, deadline=sooner)


def due(incident: Incident, now: int) -> bool:
    """Whether its deadline has passed unanswered."""
    return incident.deadline is not None and incident.deadline <= now and waits(incident)


def next_due(incidents: Iterable[Incident]) -> int | None:
    """The earliest deadline (ms) of those that wait; None without one."""
    return min((one.deadline for one in incidents if one.deadline is not None and waits(one)), default=None)


def steps(roster: Roster) -> int:
    """How many times an incident can be escalated: each rung once, the last again as often as it says."""
    return len(roster.ladder) + (roster.ladder[-1].again if roster.ladder else 0)


def escalate(
    incident: Incident, roster: Roster, duties: tuple[Duty, ...], now: int
) -> tuple[Incident, tuple[Notification, ...]]:
    """The incident one rung higher, and the messages to send; unchanged and none when it is not due.

    The next deadline follows from the last one, however late this is; what was missed meanwhile is not made up for.
    """
    if not due(incident, now) or incident.deadline is None or incident.escalation >= steps(roster):
        return incident, ()
    rung = roster.ladder[min(incident.escalation, len(roster.ladder) - 1)]
    reached = rosters.told(roster, duties, rung)
    within = WITHIN_MS[incident.severity]
    following = incident.deadline + ((now - incident.deadline) // within + 1) * within
    number = incident.escalation + 1
    who = ", ".join(dict.fromkeys(user or route for route, user in reached)) or "nobody on duty"
    step = Transition(
        at=now, was=incident.state, now=incident.state, action=ACTION, comment=f"{number}/{steps(roster)}: {who}"
    )
    after = replace(
        incident,
        escalation=number,
        deadline=following if number < steps(roster) else None,
        changed=now,
        timeline=(*incident.timeline, step),
    )
    return after, tuple(_message(incident, route, user, number, now) for route, user in reached)


def notification_id(*cause: str) -> str:
    """The deduplication key of a message with this cause: the same cause, the same key."""
    return hashlib.blake2b("|".join(cause).encode(), digest_size=8).hexdigest()


def _message(incident: Incident, route: str, user: str, number: int, now: int) -> Notification:
    colour, minutes = COLOUR[incident.severity], max(0, now - incident.opened) // MINUTE_MS
    whom_en, whom_zh = (f" to {user}", f"（{user}）") if user else ("", "")
    title_zh = f"{colour.zh} 第{number}次升级{whom_zh}：{incident.title.zh}"
    title_en = f"{colour.en}, escalation {number}{whom_en}: {incident.title.en}"
    return Notification(
        id=notification_id("escalation", incident.id, str(number), str(incident.deadline), route, user),
        route=route,
        at=now,
        title=f"{title_zh} / {title_en}",
        body=(
            f"{incident.place_name.zh}：已 {minutes} 分钟无人处置，请立即接手。\n"
            f"{incident.place_name.en}: nobody has taken it for {minutes} min. Please take it now.\n"
            f"incident {incident.id}"
        ),
        severity=incident.severity,
        urgent=True,
        incident=incident.id,
        exercise=incident.exercise,
    )
