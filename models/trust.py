"""Trust: which claims of single datastreams become alerts, and what stays on the watch list.

A single datastream among 100,000 is doubtful whatever its score. A claim is believed when something speaks for it: its
zone fires, another kind of sensor nearby claims too, its neighbours are out of the ordinary in the same direction, or
it has lasted. What is believed asks the alert budget (models/budget.py), the strangest first; the rest is watched. What
an alert tells already, of the venue it is in or of a claim next to it, spends nothing.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal

import msgspec
from msgspec.structs import replace

from models import budget
from models.budget import HOUR_MS, Budget
from models.notes import ClaimNote
from models.values import Detection, Text, Why

Wants = Literal["corroboration", "score", "budget", "gateway", "told", "over"]
"""What a claim lacks to become an alert: something that speaks for it, a score over the line, a place in this hour's
budget, a gateway that is to be believed; or nothing, for another alert tells it, or it is over."""
LASTED_MS = 60_000  # what has held so long speaks for itself
LASTED_TICKS = 2  # or so many ticks, where these are longer
STRANGE = 2  # neighbours out of the ordinary, of up to 8; by chance once in a thousand
NEAR_M = 500.0  # another claim of the same kind
OTHER_M = 1_000.0  # or of another kind
KEPT = 50  # rows of the watch list
METRES_A_DEGREE = 111_320.0


class Open(msgspec.Struct, frozen=True, kw_only=True):
    """A claim as the city knows it; ``alerted`` once it became an alert, ``ended`` (ms) once it is over."""

    claim: ClaimNote
    source: str
    alerted: bool = False
    ended: int | None = None
    wants: Wants = "corroboration"


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the watch list: what is claimed, how strange, and what it wants to become an alert."""

    id: str
    place: str
    place_name: Text
    headline: Text
    lon: float
    lat: float
    district: str
    score: float
    onset: int
    ended: int | None
    wants: Wants
    why: Why | None


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """The watch list, the strangest first, and the dial: ``per_hour`` alerts an hour are asked for, the last hour had
    ``spent``, a claim must pass the score ``line`` (None: nothing passes)."""

    at: int
    per_hour: float
    line: float | None
    spent: int
    waiting: int
    rows: tuple[Watched, ...] = ()
    faults: dict[str, int] = {}  # how many datastreams have each kind of fault now


class TrustState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that trust remembers."""

    claims: tuple[tuple[int, Open], ...] = ()  # with the shard that tells of it
    events: tuple[Detection, ...] = ()
    budget: Budget = Budget()


class Trust:
    """Judges the claims of all shards, tick by tick. Its ``state`` can be saved and set."""

    def __init__(self, tick_ms: int) -> None:
        self._tick_ms = tick_ms
        self._claims: dict[str, tuple[int, Open]] = {}
        self._events: dict[str, Detection] = {}
        self.budget = Budget()

    @property
    def state(self) -> TrustState:
        """What is to be saved."""
        claims = tuple(self._claims[key] for key in sorted(self._claims))
        events = tuple(self._events[key] for key in sorted(self._events))
        return TrustState(claims=claims, events=events, budget=self.budget)

    @state.setter
    def state(self, saved: TrustState) -> None:
        self._claims = {one.claim.detection.id: (shard, one) for shard, one in saved.claims}
        self._events = {event.id: event for event in saved.events}
        self.budget = saved.budget

    def hear(self, events: Iterable[Detection]) -> None:
        """Remember which events of the city hold that nobody asked the budget for."""
        for event in events:
            if event.state == "firing":
                self._events[event.id] = event
            else:
                self._events.pop(event.id, None)

    def step(
        self,
        now: int,
        claims: Mapping[int, Sequence[tuple[ClaimNote, str]]],
        firing: Mapping[int, bool],
        doubted: Collection[str],
        per_hour: float,
    ) -> list[Detection]:
        """Judge at ``now`` (ms); what became an alert and which alerts are over.

        ``claims``: of each shard that told something, all that are open there, with their gateways; ``firing``: the
        zone series at which a rule fires, and whether that tells what its datastreams claim; ``doubted``: gateways that
        are not to be believed now.
        """
        over = self._note(now, claims)
        for key in sorted(self._claims):
            shard, one = self._claims[key]
            if not one.alerted and one.ended is None:
                self._claims[key] = shard, self._weighed(one, firing, doubted)
        self.budget, alerts = budget.judge(self.budget, self._believed(), now, per_hour)
        began = []
        for key, (shard, one) in self._claims.items():
            if one.wants == "score" and not one.alerted and one.ended is None:
                if one.claim.datastream in alerts:
                    began.append(one.claim.detection)
                    self._claims[key] = shard, replace(one, alerted=True)
                elif one.claim.peak > self.budget.line:
                    self._claims[key] = shard, replace(one, wants="budget")
        return [*over, *sorted(began, key=lambda found: (-(found.score or 0.0), found.id))]

    def _believed(self) -> list[tuple[int, float]]:
        """The claims that may ask the budget: of those next to each other the strangest alone."""
        asking = [
            one for _, one in self._claims.values() if one.wants == "score" and not one.alerted and one.ended is None
        ]
        asking.sort(key=lambda one: (-one.claim.peak, one.claim.detection.id))
        chosen: list[Open] = []
        for one in asking:
            found = one.claim.detection
            if not any(
                other.claim.detection.rule == found.rule and _metres(other.claim.detection, found) <= NEAR_M
                for other in chosen
            ):
                chosen.append(one)
        return [(one.claim.datastream, one.claim.peak) for one in chosen]

    def watch(self, now: int, per_hour: float) -> Watch:
        """The watch list and the dial at ``now``."""
        below = [one for _, one in self._claims.values() if not one.alerted]
        below.sort(key=lambda one: (one.ended is not None, -one.claim.peak, one.claim.detection.id))
        line = self.budget.line if math.isfinite(self.budget.line) else None
        return Watch(
            at=now,
            per_hour=per_hour,
            line=line,
            spent=self.budget.spent(now),
            waiting=sum(one.ended is None for one in below),
            rows=tuple(_row(one) for one in below[:KEPT]),
        )

    # --- claims that come and go ------------------------------------------------------------------------------

    def _note(self, now: int, claims: Mapping[int, Sequence[tuple[ClaimNote, str]]]) -> list[Detection]:
        """Take over what the shards tell; the alerts that are over."""
        told: set[str] = set()
        for shard, notes in claims.items():
            for claim, source in notes:
                key = claim.detection.id
                told.add(key)
                _, before = self._claims.get(key, (shard, Open(claim=claim, source=source)))
                # what an alert said when it began stays what it says
                found = before.claim.detection if before.alerted else claim.detection
                self._claims[key] = shard, replace(before, claim=replace(claim, detection=found), source=source)
        over = []
        for key, (shard, one) in list(self._claims.items()):
            if one.ended is None and shard in claims and key not in told:
                if one.alerted:
                    over.append(replace(one.claim.detection, state="cleared", time=now))
                    del self._claims[key]
                else:
                    self._claims[key] = shard, replace(one, ended=now)
            elif one.ended is not None and now - one.ended > HOUR_MS:
                del self._claims[key]
        self._thin()
        return sorted(over, key=lambda found: found.id)

    def _thin(self) -> None:
        """Let the weakest of those that are over go, so that the list has an end."""
        past = sorted((one.claim.peak, key) for key, (_, one) in self._claims.items() if one.ended is not None)
        for _, key in past[: max(len(past) - KEPT, 0)]:
            del self._claims[key]

    # --- what speaks for a claim ------------------------------------------------------------------------------

    def _weighed(self, one: Open, firing: Mapping[int, bool], doubted: Collection[str]) -> Open:
        found = one.claim.detection
        why = replace(found.why or Why(), corroborated=self._corroboration(one, firing))
        certain: Literal["Likely", "Possible"] = "Likely" if set(why.corroborated) - {"persistence"} else "Possible"
        claim = replace(one.claim, detection=replace(found, why=why, certainty=certain, score=one.claim.peak))
        wants: Wants = "score" if why.corroborated else "corroboration"
        if self._is_told(one, firing):
            wants = "told"
        return replace(one, claim=claim, wants="gateway" if one.source in doubted else wants)

    def _is_told(self, one: Open, firing: Mapping[int, bool]) -> bool:
        """Does an alert of its venue, or of a claim next to it, tell what this claim says?"""
        if any(firing.get(series, False) for series in one.claim.series):
            return True
        found = one.claim.detection
        alerts = [other.claim.detection for _, other in self._claims.values() if other.alerted]
        return any(alert.rule == found.rule and _metres(alert, found) <= NEAR_M for alert in alerts)

    def _corroboration(self, one: Open, firing: Mapping[int, bool]) -> tuple[str, ...]:
        """What speaks for the claim, the strongest first."""
        found, why = one.claim.detection, one.claim.detection.why or Why()
        others = [other for _, other in self._claims.values() if other.ended is None and other is not one]
        mates = [other.claim.detection for other in others if other.claim.datastream != one.claim.datastream]
        same = any(m.rule == found.rule and _metres(m, found) <= NEAR_M for m in mates)
        other = any(m.pack != found.pack or m.rule != found.rule for m in self._about(mates, found))
        zone = any(series in firing for series in one.claim.series)
        alone = witnesses(STRANGE if same else why.strange, why.lasted_ms, self._tick_ms)
        return (*(("zone",) if zone else ()), *(("other-kind",) if other else ()), *alone)

    def _about(self, mates: Sequence[Detection], found: Detection) -> list[Detection]:
        """The claims and events near ``found``, of other places."""
        near = [*mates, *self._events.values()]
        return [m for m in near if m.place != found.place and _metres(m, found) <= OTHER_M]


def witnesses(strange: int, lasted_ms: int, tick_ms: int) -> tuple[str, ...]:
    """What speaks for a datastream that can be known where it is: ``strange`` neighbours, and how long it has held."""
    neighbours = ("neighbours",) if strange >= STRANGE else ()
    return (*neighbours, "persistence") if lasted_ms >= max(LASTED_MS, LASTED_TICKS * tick_ms) else neighbours


def _metres(one: Detection, other: Detection) -> float:
    """The distance of two places, good enough for a kilometre."""
    east = (one.lon - other.lon) * math.cos(math.radians(one.lat))
    return METRES_A_DEGREE * math.hypot(east, one.lat - other.lat)


def _row(one: Open) -> Watched:
    found = one.claim.detection
    return Watched(
        id=found.id,
        place=found.place,
        place_name=found.place_name,
        headline=found.headline,
        lon=found.lon,
        lat=found.lat,
        district=found.district,
        score=round(one.claim.peak, 2),
        onset=found.onset,
        ended=one.ended,
        wants="over" if one.ended is not None else one.wants,
        why=found.why,
    )
