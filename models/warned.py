"""Warnings in the room: what came in, which places are told, what they answered; by key among the room's items.

A warning lies under ``warning/<id>``, the answers of its places under ``asked/<id>/<n>``, ``TOGETHER`` places each, so
that one confirmation writes a few kilobytes and not the answers of 4,000 places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from models import roster as rosters
from models import warnings
from models.orders import Refused
from models.outcome import Outcome
from models.values import Order, Warning, from_json, to_json
from models.warnings import Raised, Told

if TYPE_CHECKING:
    from models.room import Room

TOGETHER = 50
FORGET_MS = 48 * 3_600_000  # what is over leaves the room after so long; the archive keeps it
WARNING, ASKED = "warning/", "asked/"


class Warned:
    """The warnings of the room and their places."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.raised: dict[str, Raised] = {}
        self.told: dict[str, dict[str, Told]] = {}  # by warning, by place, in the order of the answers' items

    def restore(self) -> None:
        """Take the room's items over."""
        self.raised, self.told = {}, {}
        parts: dict[str, list[tuple[int, list[Told]]]] = {}
        for key, body in self._room.items.items():
            if key.startswith(WARNING):
                self.raised[key.removeprefix(WARNING)] = from_json(body, Raised)
            elif key.startswith(ASKED):
                name, _, number = key.removeprefix(ASKED).rpartition("/")
                parts.setdefault(name, []).append((int(number), msgspec.json.decode(body, type=list[Told])))
        for name, found in parts.items():
            self.told[name] = {one.place: one for _, part in sorted(found) for one in part}

    def received(self, warning: Warning, now: int, out: Outcome) -> None:
        """A CAP message came; the same one again changes nothing."""
        if warning.id in self.raised or warning.message in ("Ack", "Error"):
            return
        sites = self._room.setup.sites
        rows, unknown = sites.inside(warning.areas) if warning.message != "Cancel" else ([], [])
        it, told = warnings.raised(warning, [sites.sites[row] for row in rows], unknown, now)
        followed = [name for name in self._followed(warning) if self.raised[name].state == "active"]
        for name in followed:
            it, told = warnings.carried(self.raised[name], self.told.get(name, {}), it, told)
        self.told[warning.id] = {one.place: one for one in told}
        self._keep(it, None, out)
        self._tell([one.place for one in told if one.confirmed is None], warning, "told", now, out)
        for name in followed:
            self._end(name, it, now, out)

    def obey(self, order: Order, now: int, out: Outcome) -> tuple[str, str, str]:
        """Carry out an order about a warning: ``confirm`` with args ``place``; raises ``Refused``."""
        it = self.raised.get(order.subject)
        if it is None:
            raise Refused(f"there is no warning {order.subject}", "unknown")
        if order.do != "confirm":
            raise Refused(f"{order.do} is nothing to do with a warning; use confirm", "unknown", it.state)
        if any(line.command == order.id for line in it.history):
            return it.warning.id, it.state, order.by
        place = str(order.args.get("place") or "")
        told = warnings.confirm(it, self.told[order.subject].get(place), order, now)
        self.told[order.subject][place] = told
        after = warnings.counted(it, tuple(self.told[order.subject].values()))
        comment = ": ".join(part for part in (place, order.comment) if part)
        self._keep(warnings.step(after, now, "confirmed", comment, order=order), [place], out)
        return it.warning.id, it.state, order.by

    def tick(self, now: int, out: Outcome) -> None:
        """Remind, escalate, expire, and let go of what has been over for long."""
        for name, it in list(self.raised.items()):
            expires = it.warning.expires
            if it.state == "active" and expires is not None and expires <= now:
                self._keep(warnings.ended(it, "expired", now), None, out)
            elif it.due is not None and it.due <= now:
                self._late(name, it, now, out)
            elif it.state != "active" and now - it.history[-1].at > FORGET_MS:
                self._forget(name, out)

    # --- parts --------------------------------------------------------------------------------------------------

    def _followed(self, warning: Warning) -> list[str]:
        """The warnings that this one refers to; a message of several parts is known by its identifier before ``#``."""
        if warning.message not in ("Update", "Cancel"):
            return []
        part = warning.id.partition("#")[2]
        references = set(warning.references)
        return [
            name
            for name in self.raised
            if name in references or (name.partition("#")[0] in references and name.partition("#")[2] == part)
        ]

    def _end(self, name: str, by: Raised, now: int, out: Outcome) -> None:
        """Another message took the place of this one, or cancelled it."""
        warning = by.warning
        cancelled = warning.message == "Cancel"
        self._keep(
            warnings.ended(self.raised[name], "cancelled" if cancelled else "superseded", now, warning.id), None, out
        )
        if cancelled:
            self._tell(list(self.told.get(name, {})), self.raised[name].warning, "cancelled", now, out)
        else:
            gone = [place for place in self.told.get(name, {}) if place not in self.told[warning.id]]
            self._tell(gone, warning, "outside", now, out)

    def _tell(self, places: list[str], warning: Warning, why: warnings.Why, now: int, out: Outcome) -> None:
        sites = self._room.setup.sites
        known = [sites.sites[sites.row[place]] for place in places if place in sites.row]
        out.notify(warnings.tell(warning, site, why, now) for site in known)

    def _late(self, name: str, it: Raised, now: int, out: Outcome) -> None:
        after, reminded, over = warnings.late(it, tuple(self.told[name].values()), now)
        self.told[name] |= {one.place: one for one in (*reminded, *over)}
        self._keep(after, [one.place for one in (*reminded, *over)], out)
        self._tell([one.place for one in reminded], it.warning, "reminder", now, out)
        setup = self._room.setup
        if not over or setup.roster is None:
            return
        duties = rosters.on_duty(setup.roster, setup.calendar, self._room.rota, now)
        rungs = setup.roster.ladder[:2]
        reached = dict.fromkeys(pair for rung in rungs for pair in rosters.told(setup.roster, duties, rung))
        silent = [setup.sites.sites[setup.sites.row[one.place]] for one in over if one.place in setup.sites.row]
        out.notify(warnings.unanswered(it.warning, silent, route, user, now) for route, user in reached)

    def _keep(self, after: Raised, places: list[str] | None, out: Outcome) -> None:
        """The warning as it is now with the answers of ``places`` (None: of all); its new lines are written down."""
        name = after.warning.id
        before = self.raised.get(name)
        self.raised[name] = after
        self._room.keep_item(WARNING + name, to_json(after), out)
        out.steps("warning", name, before.history if before else (), after.history)
        told = list(self.told.get(name, {}).values())
        if places is None:
            numbers = set(range(-(-len(told) // TOGETHER)))
        else:
            row = {one.place: at for at, one in enumerate(told)}
            numbers = {row[place] // TOGETHER for place in places}
        for number in sorted(numbers):
            part = told[number * TOGETHER : (number + 1) * TOGETHER]
            self._room.keep_item(f"{ASKED}{name}/{number}", msgspec.json.encode(part), out)

    def _forget(self, name: str, out: Outcome) -> None:
        for key in [key for key in self._room.items if key == WARNING + name or key.startswith(f"{ASKED}{name}/")]:
            self._room.keep_item(key, None, out)
        self.raised.pop(name)
        self.told.pop(name, None)
