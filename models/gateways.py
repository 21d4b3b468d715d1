"""Gateways that fall silent, jump, or whose clock is off: faults of what stands between the sensors and the city.

A gateway is compared with the others in the same ticks: it is silent when they are heard and it is not; it jumps when
half of its datastreams step out of the ordinary in one direction at once and theirs do not; its clock is off when what
it sends is stamped steadily behind or ahead of theirs. Alone a gateway has nothing to be compared with, and is not
judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Literal

import msgspec
from msgspec.structs import replace

from models.notes import SourceNote
from models.values import Detection, Severity, Text, Why, alert_id

Fault = Literal["silent", "jump", "clock"]
PACK = "data-quality"
SILENT_MS = 30_000  # and twice its longest pause on top
SILENT_TICKS = 3
READY = 12  # ticks in which it was heard before its silence can be judged
ABSENT_WEIGHT = 0.2  # a tick that a shard did not tell counts so much: its worker may be starting again
JUMP_LEAST = 20  # datastreams with a score, of it and of the others
JUMP_SHARE, JUMP_BEFORE, JUMP_OTHERS, JUMP_OVER = 0.5, 0.2, 0.1, 0.25
JUMP_LONGEST_MS = 30 * 60_000  # by then the detectors have learned the new level
CLOCK_MS = 30_000  # a clock that is off by less is let be
CLOCK_LASTS_MS = 5 * 60_000
CLOCK_OTHERS = 2  # gateways to compare with, at least


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of a gateway. ``members`` by shard; ``missed`` ms since it was heard while others were; the
    onset of each fault that is told."""

    members: dict[int, int] = {}
    lon: float = 0.0
    lat: float = 0.0
    newest: int = 0
    heard: int = 0
    missed: float = 0.0
    pause: float = 0.0
    share: tuple[float, float] = (0.0, 0.0)
    off_since: int | None = None
    off_low: int = 0
    off_high: int = 0
    faults: dict[str, Detection] = {}

    @property
    def size(self) -> int:
        """How many datastreams speak through it."""
        return sum(self.members.values())


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """The notes of all shards about a gateway in one tick, summed up."""

    heard: int = 0
    newest: int = 0
    scored: int = 0
    up: int = 0
    down: int = 0


class Gateways:
    """Judges all gateways tick by tick; ``seen`` is its whole state."""

    def __init__(self, tick_ms: int) -> None:
        self.tick_ms = tick_ms
        self.seen: dict[str, Seen] = {}

    def faulty(self, *faults: Fault) -> set[str]:
        """The gateways at which one of these faults is told now."""
        return {name for name, one in self.seen.items() if any(fault in one.faults for fault in faults)}

    def step(self, now: int, notes: Mapping[int, Sequence[SourceNote]]) -> list[Detection]:
        """Judge at ``now`` (ms) from the notes of the shards that told this tick; what fired and what is over."""
        tallies = self._heard(notes)
        found: list[Detection] = []
        for name in sorted(self.seen):
            if self.seen[name].size or self.seen[name].faults:
                found += self._silent(name, now, tallies, set(notes))
                found += self._jumped(name, now, tallies)
                found += self._off(name, now, tallies)
        return found

    def _heard(self, notes: Mapping[int, Sequence[SourceNote]]) -> dict[str, Tally]:
        """Take over members and places; what was heard of each gateway, summed over the shards."""
        tallies: dict[str, Tally] = {}
        for shard, sources in notes.items():
            for note in sources:
                seen, sum_ = self.seen.get(note.name, Seen()), tallies.get(note.name, Tally())
                members = {**seen.members, shard: note.members}
                if note.members == max(members.values()):
                    seen = replace(seen, lon=note.lon, lat=note.lat)
                self.seen[note.name] = replace(seen, members=members)
                tallies[note.name] = Tally(
                    heard=sum_.heard + note.heard,
                    newest=max(sum_.newest, note.newest),
                    scored=sum_.scored + note.scored,
                    up=sum_.up + note.up,
                    down=sum_.down + note.down,
                )
        return tallies

    # --- silence --------------------------------------------------------------------------------------------

    def _silent(self, name: str, now: int, tallies: Mapping[str, Tally], told: set[int]) -> list[Detection]:
        one, tally = self.seen[name], tallies.get(name, Tally())
        limit = max(SILENT_MS, SILENT_TICKS * self.tick_ms) + 2 * one.pause
        if tally.heard:
            pause = max(one.pause, min(one.missed, limit))
            self.seen[name] = replace(
                one, newest=max(one.newest, tally.newest), heard=one.heard + 1, missed=0.0, pause=pause
            )
            return self._over(name, "silent", now)
        if any(other.heard for other in tallies.values()):
            weight = 1.0 if set(one.members) <= told else ABSENT_WEIGHT
            one = self.seen[name] = replace(one, missed=one.missed + weight * self.tick_ms)
        if one.heard < READY or one.missed < limit or not one.size:
            return []
        return self._fire(
            name,
            "silent",
            "Moderate",
            onset=min(one.newest, now),
            now=now,
            headline=Text(
                f"Gateway {name} is silent: nothing from its {one.size:,} datastreams",
                f"网关 {name} 中断：其 {one.size:,} 路数据流无数据",
            ),
            value=one.missed / 1000,
            unit="s",
        )

    # --- jumps ----------------------------------------------------------------------------------------------

    def _jumped(self, name: str, now: int, tallies: Mapping[str, Tally]) -> list[Detection]:
        one, tally = self.seen[name], tallies.get(name, Tally())
        if tally.scored < JUMP_LEAST:
            return []
        before = max(one.share)
        share = (tally.up / tally.scored, tally.down / tally.scored)
        one = self.seen[name] = replace(one, share=share)
        if "jump" in one.faults:
            lasted = now - one.faults["jump"].onset
            return self._over(name, "jump", now) if max(share) < JUMP_OVER or lasted > JUMP_LONGEST_MS else []
        others = [other for key, other in tallies.items() if key != name]
        scored = sum(other.scored for other in others)
        strange = max(sum(other.up for other in others), sum(other.down for other in others))
        stepped = max(share) >= JUMP_SHARE and before < JUMP_BEFORE
        if one.heard < READY or not stepped or scored < JUMP_LEAST or strange > JUMP_OTHERS * scored:
            return []
        way = ("up", "上升") if share[0] >= share[1] else ("down", "下降")
        return self._fire(
            name,
            "jump",
            "Moderate",
            onset=now - self.tick_ms,
            now=now,
            headline=Text(
                f"Gateway {name} jumps: {max(share):.0%} of its {one.size:,} datastreams step {way[0]} at once",
                f"网关 {name} 跳变：其 {one.size:,} 路数据流中 {max(share):.0%} 同时{way[1]}",
            ),
            value=100 * max(share),
            unit="%",
        )

    # --- clocks ---------------------------------------------------------------------------------------------

    def _off(self, name: str, now: int, tallies: Mapping[str, Tally]) -> list[Detection]:
        tally = tallies.get(name, Tally())
        others = [other.newest for key, other in tallies.items() if key != name and other.heard]
        if not tally.heard or len(others) < CLOCK_OTHERS:
            return []
        one, offset = self.seen[name], tally.newest - int(median(others))
        limit = max(CLOCK_MS, 2 * self.tick_ms)
        if abs(offset) < limit / 2:
            self.seen[name] = replace(one, off_since=None)
            return self._over(name, "clock", now)
        if abs(offset) < limit:
            return []
        low, high = min(one.off_low, offset), max(one.off_high, offset)
        if one.off_since is None or high - low > limit:  # a backlog is caught up quickly, a clock drifts slowly
            low, high = offset, offset
            one = replace(one, off_since=now)
        one = self.seen[name] = replace(one, off_low=low, off_high=high)
        since = one.off_since
        if since is None or now - since < CLOCK_LASTS_MS or "clock" in one.faults:
            return []
        seconds = abs(offset) // 1000
        way = ("ahead of", "快") if offset > 0 else ("behind", "慢")
        return self._fire(
            name,
            "clock",
            "Minor",
            onset=since,
            now=now,
            headline=Text(
                f"Gateway {name} stamps its readings {seconds} s {way[0]} the others: its clock is off",
                f"网关 {name} 的时间戳比其他网关{way[1]} {seconds} 秒：时钟有偏差",
            ),
            value=offset / 1000,
            unit="s",
        )

    # --- telling --------------------------------------------------------------------------------------------

    def _fire(
        self,
        name: str,
        fault: Fault,
        severity: Severity,
        *,
        onset: int,
        now: int,
        headline: Text,
        value: float,
        unit: str,
    ) -> list[Detection]:
        one = self.seen[name]
        if fault in one.faults:
            return []
        rule = f"Gateway{fault.capitalize()}"
        found = Detection(
            id=alert_id(PACK, rule, name, onset),
            pack=PACK,
            rule=rule,
            place=name,
            place_kind="asset",
            place_name=Text(name, name),
            lon=one.lon,
            lat=one.lat,
            district="",
            state="firing",
            kind="data-quality",
            severity=severity,
            onset=onset,
            time=now,
            value=round(value, 1),
            expected=None,
            score=None,
            unit=unit,
            headline=headline,
            labels={"fault": fault, "gateway": name, "datastreams": str(one.size)},
            why=Why(lasted_ms=max(now - onset, 0), members=one.size, corroborated=("members",)),
        )
        self.seen[name] = replace(one, faults={**one.faults, fault: found})
        return [found]

    def _over(self, name: str, fault: Fault, now: int) -> list[Detection]:
        one = self.seen[name]
        if fault not in one.faults:
            return []
        self.seen[name] = replace(one, faults={key: held for key, held in one.faults.items() if key != fault})
        return [replace(one.faults[fault], state="cleared", time=now)]
