"""A city's roster, ``roster.yaml``: people, shifts with their seats, the ladder of escalation (docs/operations.md)."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import msgspec

from config.duty_files import DutyError, minute, once, own_or_common, read
from models.roster import Person, Roster, Rung, Seat, Shift
from models.values import Role, Text

FILE = "roster.yaml"
DAY_MINUTES = 1440


class _Seat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    seat: str
    role: Role
    people: list[str]
    turn_days: int = 1


class _Shift(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"start": "from", "end": "to"}):
    shift: str
    name: Text
    start: str
    end: str
    seats: list[_Seat]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    people: list[Person]
    shifts: list[_Shift]
    ladder: list[Rung]


def load(folder: Path, routes: frozenset[str] | None = None) -> Roster:
    """The roster of the city pack in ``folder``, or the common one where it has none; raises ``DutyError``.

    ``routes`` are those that are declared: where given, one that is not is refused.
    """
    path = own_or_common(folder, FILE)
    declared = read(path, _File)
    once([person.user for person in declared.people], f"{path}: people: the user")
    once([shift.shift for shift in declared.shifts], f"{path}: shifts: the shift")
    people = {person.user: person for person in declared.people}
    shifts = tuple(_shift(one, people, f"{path}: shifts[{i}]") for i, one in enumerate(declared.shifts))
    _covers_the_day(shifts, path)
    _ladder(declared.ladder, shifts, path)
    if routes is not None:
        _routes(declared, routes, path)
    return Roster(people=people, shifts=shifts, ladder=tuple(declared.ladder))


def _shift(one: _Shift, people: dict[str, Person], where: str) -> Shift:
    once([seat.seat for seat in one.seats], f"{where}: seats: the seat")
    if not one.seats:
        raise DutyError(f"{where}: seats: none; a shift needs at least one")
    for number, seat in enumerate(one.seats):
        at = f"{where}: seats[{number}]"
        if seat.role in ("unit", "system") or not seat.people:
            raise DutyError(
                f"{at}: role {seat.role} with {len(seat.people)} people; a seat is taken by at least one person"
            )
        if not 1 <= seat.turn_days <= 31:
            raise DutyError(f"{at}: turn_days: {seat.turn_days} is outside 1..31")
        if unknown := [user for user in seat.people if user not in people]:
            raise DutyError(f"{at}: people: {unknown[0]} is not under people; add them there")
    seats = tuple(
        Seat(seat=seat.seat, role=seat.role, people=tuple(seat.people), turn_days=seat.turn_days) for seat in one.seats
    )
    return Shift(
        shift=one.shift,
        name=one.name,
        start=minute(one.start, f"{where}: from"),
        end=minute(one.end, f"{where}: to"),
        seats=seats,
    )


def _covers_the_day(shifts: tuple[Shift, ...], path: Path) -> None:
    """Every minute of the day belongs to exactly one shift."""
    count = [0] * DAY_MINUTES
    for shift in shifts:
        for offset in range(shift.length_ms // 60_000):
            count[(shift.start + offset) % DAY_MINUTES] += 1
    wrong = next((at for at, number in enumerate(count) if number != 1), None)
    if wrong is not None:
        told = "no shift" if not count[wrong] else f"{count[wrong]} shifts"
        raise DutyError(f"{path}: shifts: {told} at {wrong // 60:02d}:{wrong % 60:02d}; the shifts cover the day once")


def _ladder(ladder: list[Rung], shifts: tuple[Shift, ...], path: Path) -> None:
    if not ladder:
        raise DutyError(f"{path}: ladder: empty; name at least one rung that is told when nobody answers")
    roles = {seat.role for shift in shifts for seat in shift.seats}
    seats = {seat.seat for shift in shifts for seat in shift.seats}
    for number, rung in enumerate(ladder):
        where = f"{path}: ladder[{number}]"
        if not (rung.roles or rung.seats or rung.routes):
            raise DutyError(f"{where}: tells nobody; give roles, seats or routes")
        for name in rung.seats:
            if name not in seats:
                raise DutyError(f"{where}: seats: {name} is in no shift; use one of {', '.join(sorted(seats))}")
        for role in rung.roles:
            if role not in roles:
                known = ", ".join(one for one in get_args(Role) if one in roles)
                raise DutyError(f"{where}: roles: nobody sits as {role}; use one of {known}")
        if (rung.again and number + 1 < len(ladder)) or not 0 <= rung.again <= 100:
            raise DutyError(f"{where}: again: {rung.again}; only the last rung is told again, 0 to 100 times")


def _routes(declared: _File, routes: frozenset[str], path: Path) -> None:
    used = [(f"people: {person.user}", route) for person in declared.people for route in person.routes]
    used += [(f"ladder[{number}]", route) for number, rung in enumerate(declared.ladder) for route in rung.routes]
    for where, route in used:
        if route not in routes:
            known = ", ".join(sorted(routes))
            raise DutyError(f"{path}: {where}: the route {route} is not in notifications.yaml; use one of {known}")
