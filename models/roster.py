"""Who is on duty: shifts of the day, seats with roles, the people who take them in turn, and the handover.

A roster is declared (config/roster.py); what people change during a shift is the ``Rota``, which the agent *alerts*
keeps in the topic ``room``. Everything here is a pure function of the two and of the time.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np
from msgspec.structs import replace

from models.calendar import DAY_MS, Calendar
from models.orders import Refused
from models.values import Order, Role, Text

Right = Literal["look", "act", "lead", "plan", "administer", "audit", "serve"]
# What a role may do. look: read everything · act: alerts, incidents, units, warnings · lead: what binds others (raise
# a budget, silence, relieve a seat) · plan: tables, rosters, packs · administer: accounts, tokens · audit: the history
# · serve: one unit's own calls, and nothing else
RIGHTS: dict[str, frozenset[Right]] = {
    "viewer": frozenset({"look"}),
    "dispatcher": frozenset({"look", "act"}),
    "supervisor": frozenset({"look", "act", "lead", "audit"}),
    "planner": frozenset({"look", "plan"}),
    "auditor": frozenset({"look", "audit"}),
    "admin": frozenset({"look", "act", "lead", "plan", "administer", "audit"}),
    "unit": frozenset({"serve"}),
    "system": frozenset({"look", "act", "lead"}),
}
ROTA = "roster/rota"  # the rota's key among the room's items
KEPT_HANDOVERS = 60  # a month of two shifts
SEATED_LIMIT_MS = 24 * 3_600_000  # nobody keeps another's seat for longer


class Person(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody who takes seats; ``user`` is the account, ``routes`` is how this person is reached."""

    user: str
    name: Text
    routes: tuple[str, ...] = ()


class Seat(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A place of a shift. Its people take turns, ``turn_days`` each."""

    seat: str
    role: Role
    people: tuple[str, ...]  # users
    turn_days: int = 1


class Shift(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the day, local minutes ``start`` to ``end`` (``end`` <= ``start``: until the next day)."""

    shift: str
    name: Text
    start: int
    end: int
    seats: tuple[Seat, ...]

    @property
    def length_ms(self) -> int:
        """How long it lasts, without a change of the clock."""
        return ((self.end - self.start) % 1440 or 1440) * 60_000


class Rung(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One step of the escalation: who is told when nobody has answered. The last is told ``again`` so many times."""

    roles: tuple[Role, ...] = ()
    seats: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()  # told beside the people
    again: int = 0


class Roster(msgspec.Struct, frozen=True, kw_only=True):
    """A city's shifts, people and ladder of escalation."""

    people: dict[str, Person]
    shifts: tuple[Shift, ...]
    ladder: tuple[Rung, ...]


class Seated(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who took a seat out of turn."""

    seat: str
    user: str
    since: int
    until: int


class Handover(msgspec.Struct, frozen=True, kw_only=True):
    """One handover of the room: what was left to the next shift."""

    id: str  # of its order
    at: int
    shift: str
    start: int  # of the shift that ends
    by: str
    to: str
    comment: str = ""
    open_incidents: int = 0


class Rota(msgspec.Struct, frozen=True, kw_only=True):
    """What people changed: seats taken out of turn and the last handovers, oldest first."""

    seated: tuple[Seated, ...] = ()
    handovers: tuple[Handover, ...] = ()


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """A shift as it is stood on one day, ms UTC, ``end`` not included."""

    shift: Shift
    start: int
    end: int
    day: int  # local days since 1970 of its start


class Duty(msgspec.Struct, frozen=True, kw_only=True):
    """One seat and who sits there."""

    seat: str
    role: Role
    user: str
    name: Text
    routes: tuple[str, ...]
    out_of_turn: bool = False


def may(role: str, right: Right) -> bool:
    """Whether ``role`` has ``right``; a role that is unknown has none."""
    return right in RIGHTS.get(role, frozenset())


def watch_at(roster: Roster, calendar: Calendar, at: int) -> Watch:
    """The shift that is stood at ``at``. A roster's shifts cover the day once, so there is always one."""
    local = _local(calendar, at)
    day, minute = divmod(local, DAY_MS)[0], local % DAY_MS // 60_000
    for shift in roster.shifts:
        for started in (day, day - 1):
            begin = minute - shift.start + (day - started) * 1440
            if 0 <= begin < shift.length_ms // 60_000:
                local_start = started * DAY_MS + shift.start * 60_000
                start = _instant(calendar, local_start)
                return Watch(
                    shift=shift, start=start, end=_instant(calendar, local_start + shift.length_ms), day=started
                )
    raise ValueError(f"no shift covers the local minute {minute}; a roster's shifts must cover the whole day")


def on_duty(roster: Roster, calendar: Calendar, rota: Rota, at: int) -> tuple[Duty, ...]:
    """Every seat of the shift at ``at`` with who sits there, in the order of the roster."""
    watch = watch_at(roster, calendar, at)
    taken = {one.seat: one.user for one in rota.seated if one.since <= at < one.until}
    return tuple(_duty(roster, seat, watch.day, taken.get(seat.seat)) for seat in watch.shift.seats)


def turn(seat: Seat, day: int) -> str:
    """Whose turn it is in ``seat`` on the local ``day`` (days since 1970)."""
    return seat.people[day // seat.turn_days % len(seat.people)]


def obey(roster: Roster, calendar: Calendar, rota: Rota, order: Order, now: int, open_incidents: int = 0) -> Rota:
    """The rota after ``order`` at ``now``; raises ``Refused``.

    ``take`` {seat, user?, until?}: sit down out of turn (for another only with the right to lead), until the end of
    the shift unless told. ``leave`` {seat}: back to the turn. ``handover`` {to, comment}: record that the room was
    handed to ``to`` with ``open_incidents``; the shift that ends is the one that began before the last half of a shift.
    The same order twice changes nothing.
    """
    if not may(order.role, "act"):
        raise Refused(f"the role {order.role} may not change the rota; ask a dispatcher or supervisor", "conflict")
    match order.do:
        case "take":
            return _take(roster, calendar, rota, order, now)
        case "leave":
            return _leave(roster, calendar, rota, order, now)
        case "handover":
            return _handover(roster, calendar, rota, order, now, open_incidents)
        case _:
            raise Refused(f"{order.do} is nothing a rota does; use take, leave or handover", "invalid")


def told(roster: Roster, duties: tuple[Duty, ...], rung: Rung) -> tuple[tuple[str, str], ...]:
    """(route, user) pairs that a rung of the ladder reaches, each once; user "" for the rung's own routes."""
    pairs = [
        (route, duty.user)
        for duty in duties
        if duty.role in rung.roles or duty.seat in rung.seats
        for route in duty.routes
    ]
    pairs += [(route, "") for route in rung.routes]
    return tuple(dict.fromkeys(pairs))


def _take(roster: Roster, calendar: Calendar, rota: Rota, order: Order, now: int) -> Rota:
    watch = watch_at(roster, calendar, now)
    seat = _seat(watch, order)
    user = str(order.args.get("user") or order.by)
    if user != order.by and not may(order.role, "lead"):
        raise Refused(
            f"only a supervisor seats somebody else; {order.by} may take {seat.seat} without user", "conflict"
        )
    if user not in roster.people:
        raise Refused(f"{user} is not in the roster; add them under people, or take the seat yourself", "unknown")
    until = order.args.get("until")
    end = watch.end if until is None else until
    if not isinstance(end, int) or not now < end <= now + SEATED_LIMIT_MS:
        raise Refused(f"until {end} is outside {now}..{now + SEATED_LIMIT_MS}; sit for at most 24 hours", "invalid")
    new = Seated(seat=seat.seat, user=user, since=now, until=end)
    kept = [one for one in rota.seated if one.seat != seat.seat and one.until > now]
    return replace(rota, seated=(*kept, new))


def _leave(roster: Roster, calendar: Calendar, rota: Rota, order: Order, now: int) -> Rota:
    seat = _seat(watch_at(roster, calendar, now), order)
    there = [one for one in rota.seated if one.seat == seat.seat and one.since <= now < one.until]
    if not there:
        raise Refused(f"nobody sits at {seat.seat} out of turn", "conflict")
    if there[0].user != order.by and not may(order.role, "lead"):
        raise Refused(f"{seat.seat} is held by {there[0].user}; ask them or a supervisor", "conflict", by=there[0].user)
    return replace(rota, seated=tuple(one for one in rota.seated if one.seat != seat.seat))


def _handover(roster: Roster, calendar: Calendar, rota: Rota, order: Order, now: int, open_incidents: int) -> Rota:
    if any(one.id == order.id for one in rota.handovers):
        return rota
    to = str(order.args.get("to") or "")
    if to not in roster.people:
        raise Refused(f"to {to or 'nobody'} is not in the roster; name who takes over under to", "invalid")
    ending = ending_watch(roster, calendar, now)
    done = Handover(
        id=order.id,
        at=now,
        shift=ending.shift.shift,
        start=ending.start,
        by=order.by,
        to=to,
        comment=order.comment,
        open_incidents=open_incidents,
    )
    return replace(rota, handovers=(*rota.handovers, done)[-KEPT_HANDOVERS:])


def ending_watch(roster: Roster, calendar: Calendar, now: int) -> Watch:
    """The shift that a handover at ``now`` ends: the one before, in the first half of a shift, else the present one."""
    watch = watch_at(roster, calendar, now)
    if now - watch.start < (watch.end - watch.start) // 2:
        return watch_at(roster, calendar, watch.start - 1)
    return watch


def _seat(watch: Watch, order: Order) -> Seat:
    name = str(order.args.get("seat") or order.subject)
    for seat in watch.shift.seats:
        if seat.seat == name:
            return seat
    known = ", ".join(seat.seat for seat in watch.shift.seats)
    raise Refused(f"seat {name or '(none)'} is not in the shift {watch.shift.shift}; use one of {known}", "unknown")


def _duty(roster: Roster, seat: Seat, day: int, taken: str | None) -> Duty:
    user = taken or turn(seat, day)
    person = roster.people[user]
    return Duty(
        seat=seat.seat,
        role=seat.role,
        user=user,
        name=person.name,
        routes=person.routes,
        out_of_turn=taken is not None and taken != turn(seat, day),
    )


def _local(calendar: Calendar, at: int) -> int:
    return int(calendar.local(np.array([at], np.int64))[0])


def _instant(calendar: Calendar, local: int) -> int:
    """The instant of a local time; in the hour that a change of the clock skips or repeats, one of its two."""
    guess = local - (_local(calendar, local) - local)
    return guess + local - _local(calendar, guess)
