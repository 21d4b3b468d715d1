"""What one step of the room leads to: everything that changed, who is to be told, what is written down."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from models.values import Alert, Answer, AuditLine, Incident, Notification, Transition, Unit


@dataclass(slots=True)
class Outcome:
    """Changes by id, the newest of each; the agent makes them safe and shows them (streams/agents/alerts.py).

    ``items`` are the room's other things by ``kind/id`` (silences, warnings, roster …) as JSON. A None is gone and
    leaves its compacted topic. ``hidden`` names closed alerts and incidents that leave the picture but not the topic.
    ``audit`` lines are not chained yet; the agent does that when it sends them.
    """

    alerts: dict[str, Alert | None] = field(default_factory=dict)
    incidents: dict[str, Incident | None] = field(default_factory=dict)
    units: dict[str, Unit | None] = field(default_factory=dict)
    moved: dict[str, Unit] = field(default_factory=dict)  # units that are elsewhere: for the picture, not the topic
    items: dict[str, bytes | None] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)  # "alert/<id>" and "incident/<id>"
    notifications: dict[str, Notification] = field(default_factory=dict)
    audit: list[AuditLine] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether anything came of it."""
        changed = self.alerts or self.incidents or self.units or self.moved or self.items or self.hidden
        return bool(changed or self.notifications or self.audit or self.answers)

    def merge(self, later: Outcome) -> None:
        """Add what a later step led to."""
        self.alerts |= later.alerts
        self.incidents |= later.incidents
        self.units |= later.units
        for name in later.units:
            self.moved.pop(name, None)
        self.moved |= later.moved
        self.items |= later.items
        self.hidden |= later.hidden
        self.notifications |= later.notifications
        self.audit += later.audit
        self.answers += later.answers

    def notify(self, notifications: Iterable[Notification]) -> None:
        """Add messages to people; the same deduplication key counts once."""
        self.notifications |= {one.id: one for one in notifications}

    def note(
        self, at: int, by: str, what: str, subject: str, did: str, *, was: str = "", now: str = "", detail: str = "",
        command: str = "", step: int = 0,
    ) -> None:  # fmt: skip
        """Write down one line of the audit; its number and chain come when it is sent.

        ``step`` is the place in the subject's history, from 1, where that is kept whole: a step counts once.
        """
        line = AuditLine(
            number=0,
            at=at,
            by=by,
            what=what,
            subject=subject,
            did=did,
            was=was,
            now=now,
            detail=detail,
            command=command,
            step=step,
        )
        self.audit.append(line)

    def steps(self, what: str, subject: str, before: tuple[Transition, ...], after: tuple[Transition, ...]) -> None:
        """Write down the steps by which a history grew from ``before`` to ``after``."""
        first = _grown_from(before, after)
        whole = first == len(before)  # else it let go of its oldest steps, and their places mean nothing
        for place, step in enumerate(after[first:], first + 1):
            self.note(
                step.at, step.by, what, subject, step.action,
                was=step.was, now=step.now, detail=step.comment, command=step.command, step=place if whole else 0,
            )  # fmt: skip


def _grown_from(before: tuple[Transition, ...], after: tuple[Transition, ...]) -> int:
    """Where the new steps begin; a history may have let go of its oldest steps when it grew."""
    if not before:
        return 0
    last = before[-1]
    for place in range(len(after) - 1, -1, -1):
        if after[place] == last:
            return place + 1
    return 0
