"""The life of an alert: opened, acknowledged, returned, closed, as in ISA-18.2 and OPC UA Part 9.

One pure function, ``apply``, takes an alert, what happened and the time and returns the new alert; the old one is not
touched, and every step is appended to its history. The states of ISA-18.2 / IEC 62682:

    firing ──▶ unacknowledged ──acknowledge──▶ acknowledged ──cleared──▶ normal (closed)
                    └──cleared──▶ returned-unacknowledged ──acknowledge──▶ normal (closed)

An alert that demands it stays acknowledged after its return until it is confirmed (``confirm``: what it asked for was
done) or reset (``latch``: its return alone does not end it); one that lasts may ask again (``realarm_ms``).

Shelved (by a person, with a reason, for a time), suppressed (by design: an inhibition, a silence) and out of service
hide an alert without stopping its life: it can still clear and be acknowledged, and comes back to the state it would
have had. What a person has done a second person cannot do again: they are told who was first. The delays and the
deadband before an alert are the rule's (``for``, ``clear_for``, ``clear``; models/rules.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from models.orders import Refused
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
STALE_MS = 24 * 60 * MINUTE_MS  # an alert that lasts so long is stale (ISA-18.2)
HIDDEN: tuple[State, ...] = ("shelved", "suppressed", "out-of-service")
WAITING: tuple[State, ...] = ("unacknowledged", "returned-unacknowledged")
REASONED: tuple[Action, ...] = ("shelve", "suppress", "remove-from-service")  # only with a comment that says why
LIVE: tuple[Action, ...] = (  # in the order a desk shows them
    "acknowledge", "confirm", "reset", "comment", "shelve", "unshelve", "suppress", "unsuppress",
    "remove-from-service", "return-to-service", "severity",
)  # fmt: skip
_NEEDS: dict[Action, State] = {
    "unshelve": "shelved",
    "unsuppress": "suppressed",
    "return-to-service": "out-of-service",
}


@dataclass(frozen=True, slots=True)
class Demands:
    """What a rule demands of its alerts beyond an acknowledgement (config/pack.py)."""

    latch: bool = False
    confirm: bool = False
    realarm_ms: int = 0


NONE = Demands()


def apply(alert: Alert | None, event: Detection | Command, now: int, demands: Demands = NONE) -> Alert | None:
    """The alert after ``event`` at processing time ``now`` (ms); the same object when nothing changes.

    ``alert`` is None while there is none: a firing detection opens one, a cleared one changes nothing. What was
    delivered before (the same detection, the same command id) changes nothing. Raises ``Refused`` for a command that
    the state forbids.
    """
    if isinstance(event, Detection):
        if event.state == "firing":
            return alert or opened(event, now, demands)
        return cleared(alert, event, now) if alert else None
    if alert is None:
        raise Refused(f"there is no alert {event.alert}", "unknown")
    return obey(alert, event, now)


def decide(alert: Alert | None, command: Command, now: int) -> tuple[Alert | None, Answer]:
    """The alert after ``command`` and the answer for the person who asked: done, conflict, unknown or invalid."""
    try:
        after = apply(alert, command, now)
    except Refused as refusal:
        return alert, Answer(
            command=command.id, alert=command.alert, status=refusal.status, state=refusal.state, by=refusal.by,
            message=str(refusal),
        )  # fmt: skip
    assert after is not None  # a command makes no alert go away
    by = holder(after) or command.by
    return after, Answer(command=command.id, alert=after.id, status="done", state=after.state, by=by)


def obey(alert: Alert, command: Command, now: int) -> Alert:
    """The alert after ``command``; the same object when that command was obeyed before; raises ``Refused``."""
    if any(step.command == command.id for step in alert.history):
        return alert
    objection = _objection(alert, command.action)
    if objection:
        raise Refused(objection, "conflict", alert.state, holder(alert))
    _check(alert, command)
    match command.action:
        case "acknowledge":
            return _step(replace(alert, acknowledged_by=command.by, acknowledged_at=now), now, "acknowledge", command)
        case "confirm":
            return _step(replace(alert, confirmed_by=command.by), now, "confirm", command)
        case "reset":
            return _step(replace(alert, reset_by=command.by), now, "reset", command)
        case "shelve":
            until = _shelf_end(alert, command, now)
            return _moved(replace(alert, shelved_until=until, hidden_by=command.by), "shelved", now, command)
        case "suppress":
            return _moved(replace(alert, hidden_by=command.by), "suppressed", now, command)
        case "remove-from-service":
            hidden = replace(alert, shelved_until=None, hidden_by=command.by)
            return _moved(hidden, "out-of-service", now, command)
        case "unshelve" | "unsuppress" | "return-to-service":
            return _shown(alert, now, command.action, command=command)
        case "severity":
            assert command.severity is not None  # checked above
            deadline = now + ANSWER_WITHIN_MS[command.severity]
            return _moved(replace(alert, severity=command.severity, deadline=deadline), alert.state, now, command)
        case _:
            return _moved(alert, alert.state, now, command)


def opened(detection: Detection, now: int, demands: Demands = NONE) -> Alert:
    """The new alert of a firing detection, to be acknowledged within its severity's time."""
    return Alert(
        id=detection.id,
        detection=detection,
        state="unacknowledged",
        severity=detection.severity,
        opened=now,
        deadline=now + ANSWER_WITHIN_MS[detection.severity],
        latch=demands.latch,
        confirm=demands.confirm,
        realarm_ms=demands.realarm_ms,
        history=(Transition(at=now, was="normal", now="unacknowledged", action="opened"),),
    )


def cleared(alert: Alert, detection: Detection, now: int) -> Alert:
    """The alert when its condition is over; unchanged when it was over before."""
    if alert.cleared is not None:
        return alert
    return _step(replace(alert, cleared=detection.time), now, "cleared")


def orphaned(alert: Alert, now: int, why: str) -> Alert:
    """The alert when nothing can clear it any more, for its rule is gone; unchanged when it was over before."""
    if alert.cleared is not None:
        return alert
    return _step(replace(alert, cleared=now), now, "cleared", comment=why)


def succeeded(old: Alert, new: Alert, now: int) -> tuple[Alert, Alert]:
    """An alert whose source fires again, closed, and its successor, which is hidden where the old one was.

    So a source has one open alert, however often it fires.
    """
    done = replace(old, cleared=old.cleared if old.cleared is not None else new.detection.onset, shelved_until=None)
    done = _moved(done, "normal", now, None, "succeeded", new.id)
    if old.state not in HIDDEN:
        return done, new
    heir = replace(new, shelved_until=old.shelved_until, hidden_by=old.hidden_by, chattering=old.chattering)
    return done, _moved(heir, old.state, now, None, "inherited", old.id)


def withdrawn(alert: Alert, now: int, why: str) -> Alert:
    """The alert of an exercise that is over, closed; unchanged when it was."""
    if alert.state == "normal":
        return alert
    done = replace(alert, cleared=alert.cleared if alert.cleared is not None else now, shelved_until=None, hidden_by="")
    return _moved(done, "normal", now, None, "exercise-over", why)


def suppressed(alert: Alert, by: str, now: int) -> Alert:
    """The alert hidden by design, by ``by`` ("alert/<id>", "silence/<id>"); unchanged when hidden already or over."""
    if alert.state in HIDDEN or alert.state == "normal":
        return alert
    return _moved(replace(alert, hidden_by=by), "suppressed", now, None, "suppress", by)


def unsuppressed(alert: Alert, by: str, now: int) -> Alert:
    """The alert shown again when it is ``by`` that hid it; else the same object."""
    if alert.state != "suppressed" or alert.hidden_by != by:
        return alert
    return _shown(alert, now, "unsuppress", comment=by)


def flagged_chattering(alert: Alert, now: int) -> Alert:
    """The alert marked as one of a source that cannot decide; unchanged when it is marked already."""
    if alert.chattering:
        return alert
    return _moved(replace(alert, chattering=True), alert.state, now, None, "chattering")


def joined(alert: Alert, incident: str) -> Alert:
    """The alert as a part of ``incident``."""
    return alert if alert.incident == incident else replace(alert, incident=incident)


def elapsed(alert: Alert, now: int) -> Alert:
    """The alert as time alone changes it: shelving ends, an old one asks again, a lasting one is stale."""
    if alert.state == "shelved" and alert.shelved_until is not None and now >= alert.shelved_until:
        alert = _shown(alert, now, "unshelve", comment="the time is up")
    realarm = _realarm_at(alert)
    if realarm is not None and now >= realarm:
        again = replace(alert, acknowledged_by="", acknowledged_at=None, deadline=now + _answer_ms(alert))
        alert = _moved(again, "unacknowledged", now, None, "re-alarm", alert.acknowledged_by)
    stale = _stale_at(alert)
    if stale is not None and now >= stale:
        alert = _moved(replace(alert, stale=True), alert.state, now, None, "stale")
    return alert


def due(alert: Alert) -> int | None:
    """When time alone changes the alert next (processing time, ms); None never."""
    shelf = alert.shelved_until if alert.state == "shelved" else None
    return min((at for at in (shelf, _realarm_at(alert), _stale_at(alert)) if at is not None), default=None)


def overdue(alert: Alert, now: int) -> bool:
    """Whether the alert waits for an acknowledgement beyond its deadline."""
    return alert.state in WAITING and now >= alert.deadline


def allowed(alert: Alert) -> tuple[Action, ...]:
    """The actions that are legal now, in the order a desk shows them."""
    return tuple(action for action in LIVE if not _objection(alert, action))


def holder(alert: Alert) -> str:
    """Who has the alert: who hides it while it is hidden, else who acknowledged it; may be empty."""
    return alert.hidden_by if alert.state in HIDDEN else alert.acknowledged_by


def _check(alert: Alert, command: Command) -> None:
    """Refuse a command that lacks what its action needs."""
    if command.action in REASONED and not command.comment.strip():
        raise Refused(f"{command.action} needs a comment that says why", "invalid", alert.state, holder(alert))
    if command.action == "severity" and command.severity is None:
        raise Refused("severity needs the new severity", "invalid", alert.state, holder(alert))


def _shelf_end(alert: Alert, command: Command, now: int) -> int:
    until = now + SHELVED_MS if command.until is None else command.until
    if not now < until <= now + SHELVED_LIMIT_MS:
        hours = SHELVED_LIMIT_MS // (60 * MINUTE_MS)
        raise Refused(
            f"shelving until {until} is outside {now}..{now + SHELVED_LIMIT_MS}; shelve for at most {hours} hours",
            "invalid",
            alert.state,
            holder(alert),
        )
    return until


def _objection(alert: Alert, action: Action) -> str:
    """Why ``action`` is illegal in the alert's state; empty when it is legal."""
    if action == "comment":
        return ""
    if alert.state == "normal":
        return f"alert {alert.id} is closed{_held(alert)}"
    if action == "acknowledge" and alert.acknowledged_at is not None:
        return f"alert {alert.id} is already acknowledged by {alert.acknowledged_by}"
    if action == "confirm":
        return _against_confirm(alert)
    if action == "reset":
        return _against_reset(alert)
    if action in ("shelve", "suppress") and alert.state in HIDDEN:
        return f"alert {alert.id} is already {alert.state}{_held(alert)}"
    if action == "remove-from-service" and alert.state == "out-of-service":
        return f"alert {alert.id} is already {alert.state}{_held(alert)}"
    needed = _NEEDS.get(action, alert.state)
    return "" if alert.state == needed else f"alert {alert.id} is {alert.state}, not {needed}"


def _against_confirm(alert: Alert) -> str:
    if not alert.confirm:
        return f"alert {alert.id} needs no confirm"
    if alert.acknowledged_at is None:
        return f"alert {alert.id} is not acknowledged yet; acknowledge it first"
    return f"alert {alert.id} is already confirmed by {alert.confirmed_by}" if alert.confirmed_by else ""


def _against_reset(alert: Alert) -> str:
    if not alert.latch:
        return f"alert {alert.id} needs no reset"
    if alert.cleared is None or alert.acknowledged_at is None:
        missing = "over" if alert.cleared is None else "acknowledged"
        return f"alert {alert.id} is not {missing} yet; it can be reset once it is over and acknowledged"
    return f"alert {alert.id} is already reset by {alert.reset_by}" if alert.reset_by else ""


def _held(alert: Alert) -> str:
    return f" by {holder(alert)}" if holder(alert) else ""


def _open_state(alert: Alert) -> State:
    """The state the alert has by its condition and what people did alone."""
    over = alert.cleared is not None
    if alert.acknowledged_at is None:
        return "returned-unacknowledged" if over else "unacknowledged"
    wanting = (alert.confirm and not alert.confirmed_by) or (alert.latch and not alert.reset_by)
    return "normal" if over and not wanting else "acknowledged"


def _step(alert: Alert, now: int, action: str, command: Command | None = None, comment: str = "") -> Alert:
    """The alert in the state it has now got; a hidden one stays hidden until it is closed or back in service."""
    state = _open_state(alert)
    if alert.state == "out-of-service" or (alert.state in HIDDEN and state != "normal"):
        state = alert.state
    return _moved(alert, state, now, command, action, comment)


def _shown(alert: Alert, now: int, action: str, command: Command | None = None, comment: str = "") -> Alert:
    """The alert in the open; one that waits has its whole time to be answered again."""
    state = _open_state(alert)
    deadline = now + _answer_ms(alert) if state in WAITING else alert.deadline
    return _moved(
        replace(alert, shelved_until=None, hidden_by="", deadline=deadline), state, now, command, action, comment
    )


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


def _answer_ms(alert: Alert) -> int:
    return ANSWER_WITHIN_MS[alert.severity]


def _realarm_at(alert: Alert) -> int | None:
    if not alert.realarm_ms or alert.state != "acknowledged" or alert.cleared is not None:
        return None
    return alert.acknowledged_at + alert.realarm_ms if alert.acknowledged_at is not None else None


def _stale_at(alert: Alert) -> int | None:
    return None if alert.stale or alert.cleared is not None else alert.opened + STALE_MS
