"""The life of an alert: opened, acknowledged, returned, closed, as in ISA-18.2 and OPC UA Part 9.

One pure function, ``apply``, takes an alert, what happened and the time and returns the new alert; the old one is not
touched, and every step is appended to its history. The states of ISA-18.2 / IEC 62682:

    firing ──▶ unacknowledged ──acknowledge──▶ acknowledged ──cleared──▶ normal (closed)
                    └──cleared──▶ returned-unacknowledged ──acknowledge──▶ normal (closed)

Shelved and suppressed hide an alert without stopping its life (OPC UA Part 9, ShelvingState and SuppressedState): it
can still clear and be acknowledged, and comes back to the state it would have had. Acknowledge and shelve are what a
person does; a second person is told who was first. Confirm and reset have no alert that needs them and are refused.
"""

from __future__ import annotations

from msgspec.structs import replace

from models.values import Action, Alert, Answer, Command, Detection, Severity, State, Transition

MINUTE_MS = 60_000
ANSWER_WITHIN_MS: dict[Severity, int] = {
    "Extreme": 2 * MINUTE_MS,
    "Severe": 5 * MINUTE_MS,
    "Moderate": 15 * MINUTE_MS,
    "Minor": 60 * MINUTE_MS,
}
SHELVED_MS = 60 * MINUTE_MS  # when the command names no end
SHELVED_LIMIT_MS = 8 * 60 * MINUTE_MS  # a shift
HIDDEN: tuple[State, ...] = ("shelved", "suppressed")
WAITING: tuple[State, ...] = ("unacknowledged", "returned-unacknowledged")


class Illegal(ValueError):
    """A command that the alert's state forbids: the ``state`` it is in, and ``by`` whom it is held (may be empty)."""

    def __init__(self, message: str, state: State, by: str) -> None:
        """The message says why; it is shown to the person who asked."""
        super().__init__(message)
        self.state = state
        self.by = by


def apply(alert: Alert | None, event: Detection | Command, now: int) -> Alert | None:
    """The alert after ``event`` at processing time ``now`` (ms); the same object when nothing changes.

    ``alert`` is None while there is none: a firing detection opens one, a cleared one changes nothing. What was
    delivered before (the same detection, the same command id) changes nothing. Raises ``Illegal`` for a command that
    the state forbids.
    """
    if isinstance(event, Detection):
        if event.state == "firing":
            return alert or opened(event, now)
        return cleared(alert, event, now) if alert else None
    if alert is None:
        raise Illegal(f"there is no alert {event.alert}", "normal", "")
    return obey(alert, event, now)


def decide(alert: Alert | None, command: Command, now: int) -> tuple[Alert | None, Answer]:
    """The alert after ``command`` and the answer for the person who asked: done, conflict or unknown."""
    if alert is None:
        message = f"there is no alert {command.alert}"
        return None, Answer(command=command.id, alert=command.alert, status="unknown", message=message)
    try:
        after = obey(alert, command, now)
    except Illegal as refusal:
        state, by, message = refusal.state, refusal.by, str(refusal)
        return alert, Answer(command=command.id, alert=alert.id, status="conflict", state=state, by=by, message=message)
    holder = after.acknowledged_by or command.by
    return after, Answer(command=command.id, alert=alert.id, status="done", state=after.state, by=holder)


def obey(alert: Alert, command: Command, now: int) -> Alert:
    """The alert after ``command``; the same object when that command was obeyed before; raises ``Illegal``."""
    if any(step.command == command.id for step in alert.history):
        return alert
    objection = _objection(alert, command.action)
    if objection:
        raise Illegal(objection, alert.state, alert.acknowledged_by)
    match command.action:
        case "acknowledge":
            return _step(replace(alert, acknowledged_by=command.by, acknowledged_at=now), now, "acknowledge", command)
        case "shelve":
            return _moved(replace(alert, shelved_until=_shelf_end(alert, command, now)), "shelved", now, command)
        case "suppress":
            return _moved(alert, "suppressed", now, command)
        case "unshelve" | "unsuppress":
            return _shown(alert, now, command.action, command=command)
        case _:
            return _moved(alert, alert.state, now, command)


def opened(detection: Detection, now: int) -> Alert:
    """The new alert of a firing detection, to be acknowledged within its severity's time."""
    return Alert(
        id=detection.id,
        detection=detection,
        state="unacknowledged",
        severity=detection.severity,
        opened=now,
        deadline=now + ANSWER_WITHIN_MS[detection.severity],
        history=(Transition(at=now, was="normal", now="unacknowledged", action="opened"),),
    )


def cleared(alert: Alert, detection: Detection, now: int) -> Alert:
    """The alert when its condition is over; unchanged when it was over before."""
    if alert.cleared is not None:
        return alert
    return _step(replace(alert, cleared=detection.time), now, "cleared")


def expired(alert: Alert, now: int) -> Alert:
    """The alert with its shelving ended when the time is up; else the same object."""
    if alert.state != "shelved" or alert.shelved_until is None or now < alert.shelved_until:
        return alert
    return _shown(alert, now, "unshelve", comment="the time is up")


def overdue(alert: Alert, now: int) -> bool:
    """Whether the alert waits for an acknowledgement beyond its deadline."""
    return alert.state in WAITING and now >= alert.deadline


def allowed(alert: Alert) -> tuple[Action, ...]:
    """The actions that are legal now, in the order a desk shows them."""
    every: tuple[Action, ...] = ("acknowledge", "comment", "shelve", "unshelve", "suppress", "unsuppress")
    return tuple(action for action in every if not _objection(alert, action))


def _shelf_end(alert: Alert, command: Command, now: int) -> int:
    until = now + SHELVED_MS if command.until is None else command.until
    if not now < until <= now + SHELVED_LIMIT_MS:
        hours = SHELVED_LIMIT_MS // (60 * MINUTE_MS)
        raise Illegal(
            f"shelving until {until} is outside {now}..{now + SHELVED_LIMIT_MS}; shelve for at most {hours} hours",
            alert.state,
            alert.acknowledged_by,
        )
    return until


def _objection(alert: Alert, action: Action) -> str:
    """Why ``action`` is illegal in the alert's state; empty when it is legal."""
    if action == "comment":
        return ""
    if action in ("confirm", "reset"):
        return f"alert {alert.id} needs no {action}"
    if alert.state == "normal":
        return f"alert {alert.id} is closed{_holder(alert)}"
    if action == "acknowledge" and alert.acknowledged_at is not None:
        return f"alert {alert.id} is already acknowledged{_holder(alert)}"
    if action in ("shelve", "suppress") and alert.state in HIDDEN:
        return f"alert {alert.id} is already {alert.state}"
    needed = {"unshelve": "shelved", "unsuppress": "suppressed"}.get(action, alert.state)
    if alert.state != needed:
        return f"alert {alert.id} is {alert.state}, not {needed}"
    return ""


def _holder(alert: Alert) -> str:
    return f" by {alert.acknowledged_by}" if alert.acknowledged_by else ""


def _open_state(alert: Alert) -> State:
    """The state the alert has by its condition and acknowledgement alone."""
    if alert.cleared is None:
        return "unacknowledged" if alert.acknowledged_at is None else "acknowledged"
    return "returned-unacknowledged" if alert.acknowledged_at is None else "normal"


def _step(alert: Alert, now: int, action: str, command: Command | None = None) -> Alert:
    """The alert in the state it has now got; a hidden one stays hidden until it is closed."""
    state = _open_state(alert)
    if alert.state in HIDDEN and state != "normal":
        state = alert.state
    return _moved(alert, state, now, command, action)


def _shown(alert: Alert, now: int, action: str, command: Command | None = None, comment: str = "") -> Alert:
    return _moved(replace(alert, shelved_until=None), _open_state(alert), now, command, action, comment)


def _moved(alert: Alert, state: State, now: int, command: Command | None, action: str = "", comment: str = "") -> Alert:
    """The alert in ``state`` with this step at the end of its history."""
    step = Transition(
        at=now,
        was=alert.state,
        now=state,
        action=command.action if command else action,
        by=command.by if command else "",
        comment=command.comment if command else comment,
        command=command.id if command else "",
    )
    closed = now if state == "normal" else None
    return replace(alert, state=state, closed=alert.closed or closed, history=(*alert.history, step))
