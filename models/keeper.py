"""The keeper: what the city makes of its shards' notes, tick by tick. Gateways, faults of sensors, claims.

Pure; everything is a function of the notes in the order of the ticks and of the dial's turns between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from models.faults import Directory, Faults, FaultsState
from models.gateways import Gateways, Seen
from models.notes import Notes
from models.partials import Turn
from models.trust import Trust, TrustState, Watch
from models.values import Detection

PER_HOUR = 6.0  # alerts an operator can deal with, EEMUA 191


class _State(msgspec.Struct, frozen=True, kw_only=True):
    gateways: dict[str, Seen]
    faults: FaultsState
    trust: TrustState
    turned: Turn | None
    now: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What a tick gave: detections that fired or cleared, and the watch list."""

    detections: tuple[Detection, ...]
    watch: Watch


class Keeper:
    """Keeps gateways, faults and claims of one city. ``per_hour`` is what holds until somebody turns the dial."""

    def __init__(self, directory: Directory, tick_ms: int, per_hour: float = PER_HOUR) -> None:
        self._directory = directory
        self._tick_ms = tick_ms
        self._per_hour = per_hour
        self.turned: Turn | None = None
        self.now = 0  # the end of the last tick that was judged, ms
        self.forget()

    def forget(self) -> None:
        """Nothing was noted yet; the dial stays."""
        self.gateways = Gateways(self._tick_ms)
        self.faults = Faults(self._directory, self._tick_ms)
        self.trust = Trust(self._tick_ms)

    @property
    def per_hour(self) -> float:
        """How many alerts an hour are asked for now."""
        return self.turned.per_hour if self.turned else self._per_hour

    def turn(self, turn: Turn) -> None:
        """The dial is turned; the line follows with the next tick."""
        self.turned = turn

    def ask(self, per_hour: float) -> None:
        """So many alerts an hour are asked for from now on, unless somebody turned the dial."""
        self._per_hour = per_hour

    def step(self, now: int, notes: Sequence[tuple[int, Notes]], firing: Mapping[int, bool]) -> Kept:
        """Judge at ``now`` (ms, the end of the tick): ``notes`` with their shards, ``firing`` the zone series at which
        a rule fires, and whether that tells what its datastreams claim."""
        self.now, latest = now, dict(notes)
        found = self.gateways.step(now, {shard: one.sources for shard, one in latest.items()})
        changed = [(fault, _source(one, fault.source)) for _, one in notes for fault in one.faults]
        found += self.faults.step(now, changed, self.gateways.faulty("silent"))
        for _, one in notes:
            self.trust.hear(one.events)
        claims = {shard: [(claim, _source(one, claim.source)) for claim in one.claims] for shard, one in latest.items()}
        doubted = self.gateways.faulty("silent", "jump", "clock")
        found += self.trust.step(now, claims, firing, doubted, self.per_hour)
        return Kept(tuple(found), self.watch())

    def watch(self) -> Watch:
        """The watch list and the dial as they stand."""
        return replace(self.trust.watch(self.now, self.per_hour), faults=self.faults.count())

    def snapshot(self) -> bytes:
        """The whole state."""
        state = _State(
            gateways=self.gateways.seen,
            faults=self.faults.state,
            trust=self.trust.state,
            turned=self.turned,
            now=self.now,
        )
        return msgspec.json.encode(state)

    def restore(self, saved: bytes) -> None:
        """Take over what ``snapshot`` gave."""
        state = msgspec.json.decode(saved, type=_State)
        self.gateways.seen = dict(state.gateways)
        self.faults.state = state.faults
        self.trust.state = state.trust
        self.turned, self.now = state.turned, state.now


def _source(notes: Notes, number: int) -> str:
    """The name of the gateway that the shard numbers so; "" for none."""
    return notes.sources[number].name if 0 <= number < len(notes.sources) else ""
