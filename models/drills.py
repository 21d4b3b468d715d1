"""Drills in the room: one runs at a time, marked as exercise inside; a real emergency takes over at once.

    begin ──▶ running ──end, or its time is over──▶ ended
                 └──────a real emergency──────────▶ overtaken

While it runs, its detections open alerts and incidents of their own (``exercise``), never joined with real ones. When
it is over, however that came, they are closed, their units let go and what broke down is whole again; what its runner
still sends is dropped. ``blind``: the screens do not tell until it is over (wall/blind.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec.structs import replace

from models import alarm, units
from models.orders import Refused
from models.outcome import Outcome
from models.values import Alert, Detection, Order, Severity, Text, Warning, from_json, to_json

if TYPE_CHECKING:
    from models.room import Room

ITEM = "drill/now"  # among the room's items
LABEL = "drill"  # of a detection: the id of the drill that made it
EMERGENCY: Severity = "Extreme"
MAY = ("planner", "supervisor", "admin", "system")
LONGEST_MS = 4 * 3_600_000
State = Literal["running", "ended", "overtaken"]


class Exercise(msgspec.Struct, frozen=True, kw_only=True):
    """The drill of now, or the last one; times are processing time, ms."""

    id: str
    drill: str  # the name under which it is declared
    title: Text
    blind: bool
    state: State
    began: int
    ends: int  # by then it is over, whatever its runner does
    by: str
    ended: int | None = None
    why: str = ""  # it ended; of one that was overtaken the alert or warning that did it
    emergency: Text = Text(en="", zh="")  # its headline


def exercise(room: Room) -> Exercise | None:
    """The drill of now, or the last one; None before the first."""
    kept = room.items.get(ITEM)
    return from_json(kept, Exercise) if kept else None


def obey(room: Room, order: Order, now: int, out: Outcome) -> tuple[str, str, str]:
    """``begin`` a drill or ``end`` it: its id, state and who began it; raises ``Refused``."""
    if order.role not in MAY:
        raise Refused(f"the role {order.role} may not run drills; ask for planner or supervisor", "invalid")
    it = exercise(room)
    match order.do:
        case "begin":
            if it is None or it.id != order.subject:
                it = _begun(room, it, order, now)
                _keep(room, it, out)
                out.note(now, order.by, "drill", it.id, "begin", now=it.state, detail=it.drill, command=order.id)
        case "end":
            if it is None or it.id != order.subject:
                raise Refused(f"there is no drill {order.subject}", "unknown")
            it = _over(room, it, "ended", order.comment or "ended", now, out)
        case _:
            raise Refused(f"{order.do} is nothing to do with a drill; use begin or end", "invalid")
    return it.id, it.state, it.by


def admits(room: Room, detection: Detection) -> bool:
    """Whether a detection is taken: one of a drill that is over is not."""
    name = detection.labels.get(LABEL)
    if name is None or not detection.exercise:
        return True
    it = exercise(room)
    return it is not None and it.id == name and it.state == "running"


def watch(room: Room, given: Detection | Warning, now: int, out: Outcome) -> None:
    """What came in was real and an emergency: a drill that runs ends at once and says why."""
    it = exercise(room)
    if it is None or it.state != "running" or not _is_emergency(room, given):
        return
    it = replace(it, emergency=given.headline)
    _over(room, it, "overtaken", given.id, now, out)


def tick(room: Room, now: int, out: Outcome) -> None:
    """Its time is over: it ends, also where its runner is gone."""
    it = exercise(room)
    if it is not None and it.state == "running" and now >= it.ends:
        _over(room, it, "ended", "its time is over", now, out)


def _is_emergency(room: Room, given: Detection | Warning) -> bool:
    if isinstance(given, Warning):
        return given.status == "Actual" and given.message in ("Alert", "Update") and given.severity == EMERGENCY
    return not given.exercise and given.state == "firing" and _counts(room.alerts.get(given.id))


def _counts(alert: Alert | None) -> bool:
    """An alert that is an emergency of the city, and that nothing hides."""
    return (
        alert is not None
        and alert.severity == EMERGENCY
        and alert.detection.kind == "event"
        and not alert.detection.exercise
        and alert.state in alarm.WAITING
    )


def _begun(room: Room, before: Exercise | None, order: Order, now: int) -> Exercise:
    if before is not None and before.state == "running":
        raise Refused(f"the drill {before.drill} runs; end it first", "conflict", before.state, before.by)
    real = next((alert for alert in room.alerts.values() if _counts(alert)), None)
    if real is not None:
        raise Refused(
            f"a real emergency waits: {real.detection.headline.en}; no drill begins before it is acknowledged",
            "conflict", real.state,
        )  # fmt: skip
    ends = order.args.get("ends")
    if isinstance(ends, bool) or not isinstance(ends, int) or not now < ends <= now + LONGEST_MS:
        raise Refused(
            f"ends: {ends!r} is not within the next {LONGEST_MS // 3_600_000} hours (ms since 1970)", "invalid"
        )
    title = Text(
        en=str(order.args.get("title_en") or order.subject), zh=str(order.args.get("title_zh") or order.subject)
    )
    return Exercise(
        id=order.subject, drill=str(order.args.get("drill") or order.subject), title=title,
        blind=order.args.get("blind") is True, state="running", began=now, ends=ends, by=order.by,
    )  # fmt: skip


def _over(room: Room, it: Exercise, state: State, why: str, now: int, out: Outcome) -> Exercise:
    """The drill is over: what it made is closed, who it called is free."""
    if it.state != "running":
        return it
    it = replace(it, state=state, ended=now, why=why)
    told = "the drill is over" if state == "ended" else f"a real emergency: {it.emergency.zh} / {it.emergency.en}"
    for alert in [one for one in room.alerts.values() if one.detection.exercise and one.closed is None]:
        room.keep_alert(alarm.withdrawn(alert, now, told), out, told=False)
    for incident in [one for one in room.incidents.values() if one.exercise and one.closed is None]:
        room.triage.end(incident, told, now, out)
        for unit in [one for one in room.units.values() if one.incident == incident.id]:
            room.keep_unit(units.let_go(unit, now, told), out)
    for unit in list(room.units.values()):
        last = unit.history[-1] if unit.history else None
        if unit.status == "off" and last is not None and last.command.startswith(f"{it.id}-"):
            order = Order(id=f"{it.id}-whole-{unit.id}", about="unit", subject=unit.id, do="free", by=it.by, at=now)
            room.keep_unit(units.obey(unit, order, now), out)
    _keep(room, it, out)
    out.note(now, "", "drill", it.id, state, was="running", now=state, detail=f"{why} {told}")
    return it


def _keep(room: Room, it: Exercise, out: Outcome) -> None:
    room.keep_item(ITEM, to_json(it), out)
