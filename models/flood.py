"""Alarm flood: how many alerts each seat of the room had in the last ten minutes, and what follows from it.

From 10 alerts in 10 minutes a seat is in flood (ISA-18.2, EEMUA 191) until it has had fewer than 5: then incidents
are drawn by district, the queue folds to one row an incident, and the wall says so. From 10 incidents in 10 minutes
they are drawn by city. Alerts are routed to seats by their incident, so that one person has the whole of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import msgspec

from models.grouping import Scope

WINDOW_MS = 600_000
BEGINS, ENDS = 10, 5  # alerts in the window at which a flood begins, and below which it is over
ROWS = 10  # of the queue in a flood, a seat
DESK = "desk"  # the one seat of a room without a roster


class Flooded(msgspec.Struct, frozen=True, kw_only=True):
    """What the wall is told (key ``flood``): alerts by seat, whether it is one, since when, how many are folded.

    ``routed`` is the seat of each open incident while it is a flood, so that every desk can show its own first.
    """

    seats: dict[str, int]
    flood: bool
    since: int | None
    hidden: int
    routed: dict[str, str] = {}


class Flood:
    """Alerts presented to each seat, in a sliding window of processing time."""

    def __init__(self) -> None:
        self._seats: dict[str, deque[int]] = {}
        self._incidents: dict[str, deque[int]] = {}
        self._seat_of: dict[str, str] = {}  # by incident, sticky
        self.since: int | None = None

    def route(self, incident: str, owner: str, seats: Sequence[str]) -> str:
        """The seat that has ``incident``: its owner's, else the one with the least to do; it stays there."""
        there = seats or (DESK,)
        seat = owner if owner in there else self._seat_of.get(incident, "")
        if seat not in there:
            seat = min(there, key=lambda one: len(self._seats.get(one, ())))
        self._seat_of[incident] = seat
        return seat

    def present(self, seat: str, now: int, first: bool) -> None:
        """``seat`` is shown one more alert; ``first``: of a new incident."""
        self._seats.setdefault(seat, deque()).append(now)
        if first:
            self._incidents.setdefault(seat, deque()).append(now)
        self._judge(seat, now)

    def scope(self, now: int) -> Scope:
        """How widely alerts are to be grouped now."""
        if self.since is None:
            return "near"
        busiest = max((_count(times, now) for times in self._incidents.values()), default=0)
        return "city" if busiest >= ROWS else "district"

    def tick(self, now: int) -> None:
        """Let the window slide; the flood ends when every seat has had few."""
        for seats in (self._seats, self._incidents):
            for times in seats.values():
                _count(times, now)
        if self.since is not None and all(len(times) < ENDS for times in self._seats.values()):
            self.since = None

    def forget(self, incident: str) -> None:
        """The incident is closed."""
        self._seat_of.pop(incident, None)

    def told(self, open_alerts: int, open_incidents: int) -> Flooded:
        """What the wall is told; what is folded are the alerts that have no row of their own."""
        rows = min(open_incidents, ROWS)
        return Flooded(
            seats={seat: len(times) for seat, times in sorted(self._seats.items()) if times},
            flood=self.since is not None,
            since=self.since,
            hidden=max(open_alerts - rows, 0) if self.since is not None else 0,
            routed=dict(self._seat_of) if self.since is not None else {},
        )

    def _judge(self, seat: str, now: int) -> None:
        if self.since is None and _count(self._seats[seat], now) >= BEGINS:
            self.since = now


def _count(times: deque[int], now: int) -> int:
    """How many are in the window; older ones are let go of."""
    while times and times[0] <= now - WINDOW_MS:
        times.popleft()
    return len(times)
