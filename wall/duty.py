"""Who is on duty and to whom the room can be handed, from the city's roster and what people changed in it."""

from __future__ import annotations

from pathlib import Path

from config import roster
from config.city import City
from config.duty_files import DutyError, own_or_common
from models import roster as rosters
from models.roster import Roster, Rota
from models.values import from_json
from wall.view import Row, text


def declared(folder: Path) -> Roster | None:
    """The roster of the city pack in ``folder``; None where there is none that can be read."""
    if not own_or_common(folder, roster.FILE).exists():
        return None
    try:
        return roster.load(folder)
    except DutyError:
        return None


def board(found: Roster | None, city: City, kept: bytes | None, user: str, now: int) -> Row:
    """{"shift", "until", "seats": [{"seat", "user", "name"}], "people": [{"user", "name", "next"}]} at ``now`` (ms).

    ``kept`` is the rota as JSON. ``people`` are those to whom ``user`` can hand over, who comes next first.
    """
    if found is None:
        return {"shift": None, "until": None, "seats": [], "people": []}
    rota = from_json(kept, Rota) if kept else Rota()
    watch = rosters.watch_at(found, city.calendar, now)
    seats = rosters.on_duty(found, city.calendar, rota, now)
    following = {duty.user for duty in rosters.on_duty(found, city.calendar, rota, watch.end)}
    others = [person for person in found.people.values() if person.user != user]
    others.sort(key=lambda person: person.user not in following)  # stable: else as declared
    return {
        "shift": text(watch.shift.name),
        "until": watch.end,
        "seats": [{"seat": duty.seat, "user": duty.user, "name": text(duty.name)} for duty in seats],
        "people": [
            {"user": person.user, "name": text(person.name), "next": person.user in following} for person in others
        ],
    }
