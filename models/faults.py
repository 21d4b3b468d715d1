"""Faults of sensors, told as people can act on them: one alert for a broken sensor, one for many in a place.

The shards say which datastreams are stuck, dead, silent or copies (models/soundness.py). A new fault is held back for a
moment, so that what is common shows first: what a silent gateway explains is not told again, and ``MANY`` of one kind
in a district become one alert that names the smallest zone which holds most of them and says how many they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec
from msgspec.structs import replace

from models.layout import Place
from models.notes import FaultNote
from models.soundness import KINDS, SILENT, SOUND
from models.values import Detection, Severity, Text, Why, alert_id

SETTLE_MS = 15_000
SETTLE_TICKS = 2
MANY = 5
MOST_OF_THEM = 0.8  # the share that a zone must hold to be named

# kind: how one and how many are told; {name} {value} {twin} {n}
WORDS: dict[str, tuple[Text, Text]] = {
    "stuck": (
        Text("{name} is stuck: it says {value} again and again", "{name}数值卡死：一直为 {value}"),
        Text("{n} sensors at {name} are stuck: they say the same again and again", "{name}有 {n} 个传感器数值卡死"),
    ),
    "zeros": (
        Text("{name} shows nothing but zero", "{name}持续为零，疑似失效"),
        Text("{n} sensors at {name} show nothing but zero", "{name}有 {n} 个传感器持续为零，疑似失效"),
    ),
    "silent": (
        Text("{name} is silent: no readings", "{name}无数据上报"),
        Text("{n} sensors at {name} are silent: no readings", "{name}有 {n} 个传感器无数据上报"),
    ),
    "copy": (
        Text("{name} repeats what {twin} says, reading by reading", "{name}与 {twin} 数据逐条相同，疑似重复接入"),
        Text("{n} sensors at {name} repeat others, reading by reading", "{name}有 {n} 个传感器数据与其他传感器重复"),
    ),
}


class Directory(Protocol):
    """What the city knows of its datastreams, by register integer."""

    def place(self, datastream: int) -> Place:
        """Where it is."""
        ...

    def watched(self, datastream: int) -> tuple[str, str, str]:
        """The pack that watches it, its property and its unit."""
        ...

    def smallest(self, datastreams: Collection[int], share: float) -> Place | None:
        """The smallest zone that holds at least ``share`` of them; None where none does."""
        ...


class Held(msgspec.Struct, frozen=True, array_like=True):
    """A datastream's fault: what the shard noted, its gateway, and since when (ms) nothing else explains it."""

    note: FaultNote
    source: str
    since: int


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Many faults of one kind in a district that are one alert."""

    detection: Detection
    members: tuple[int, ...]


class FaultsState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is remembered of the faults."""

    held: tuple[Held, ...] = ()
    single: dict[int, Detection] = {}
    groups: dict[str, Group] = {}


class Faults:
    """Judges the faults of all sensors tick by tick. Its ``state`` can be saved and set."""

    def __init__(self, directory: Directory, tick_ms: int) -> None:
        self._directory = directory
        self._settle_ms = max(SETTLE_MS, SETTLE_TICKS * tick_ms)
        self._held: dict[int, Held] = {}
        self._single: dict[int, Detection] = {}
        self._groups: dict[str, Group] = {}

    @property
    def state(self) -> FaultsState:
        """What is to be saved."""
        held = tuple(self._held[key] for key in sorted(self._held))
        return FaultsState(held=held, single=dict(self._single), groups=dict(self._groups))

    @state.setter
    def state(self, saved: FaultsState) -> None:
        self._held = {one.note.datastream: one for one in saved.held}
        self._single, self._groups = dict(saved.single), dict(saved.groups)

    def count(self) -> dict[str, int]:
        """How many datastreams have each kind of fault now."""
        return dict(Counter(KINDS[one.note.kind] for one in self._held.values()))

    def step(self, now: int, notes: Sequence[tuple[FaultNote, str]], silent: Collection[str]) -> list[Detection]:
        """Judge at ``now`` (ms): ``notes`` with their gateways are what changed, ``silent`` the gateways that are
        silent; what fired and what is over."""
        over = []
        for note, source in notes:
            over += self._changed(note, source, now)
        ripe = self._ripe(now, silent)
        return [*over, *self._thinned(now), *self._told(ripe, now)]

    def _changed(self, note: FaultNote, source: str, now: int) -> list[Detection]:
        """A datastream is sound again, or has another fault than before."""
        key = note.datastream
        self._held.pop(key, None)
        if note.kind != SOUND:
            self._held[key] = Held(note, source, now)
        held = self._single.pop(key, None)
        return [] if held is None else [replace(held, state="cleared", time=now)]

    def _ripe(self, now: int, silent: Collection[str]) -> list[Held]:
        """The faults that nothing explains and nobody told yet, once they have settled."""
        told = {member for group in self._groups.values() for member in group.members} | set(self._single)
        ripe = []
        for key in sorted(self._held):
            one = self._held[key]
            if one.note.kind == SILENT and one.source in silent:
                self._held[key] = replace(one, since=now)
            elif key not in told and now - one.since >= self._settle_ms:
                ripe.append(one)
        return ripe

    def _thinned(self, now: int) -> list[Detection]:
        """Members that are sound again leave their groups; a group without members is over."""
        over = []
        for name, group in list(self._groups.items()):
            kind = KINDS.index(group.detection.labels["fault"])
            left = tuple(key for key in group.members if key in self._held and self._held[key].note.kind == kind)
            if left:
                self._groups[name] = replace(group, members=left)
            else:
                over.append(replace(group.detection, state="cleared", time=now))
                del self._groups[name]
        return over

    def _told(self, ripe: Sequence[Held], now: int) -> list[Detection]:
        """New alerts, by kind and district: each by itself, or many as one."""
        found: list[Detection] = []
        scopes: dict[tuple[int, str], list[Held]] = {}
        for one in ripe:
            scopes.setdefault((one.note.kind, self._directory.place(one.note.datastream).district), []).append(one)
        for (kind, district), faults in sorted(scopes.items()):
            name = f"{KINDS[kind]}/{district}"
            group = self._groups.get(name)
            if group is not None:
                members = tuple(one.note.datastream for one in faults)
                self._groups[name] = replace(group, members=(*group.members, *members))
            elif len(faults) >= MANY:
                made = self._many(faults, district, now)
                self._groups[name] = made
                found.append(made.detection)
            else:
                for one in faults:
                    self._single[one.note.datastream] = self._one(one, now)
                    found.append(self._single[one.note.datastream])
        return found

    def _one(self, one: Held, now: int) -> Detection:
        note, kind = one.note, KINDS[one.note.kind]
        place = self._directory.place(note.datastream)
        twin = self._directory.place(note.twin).name if note.twin >= 0 else Text("", "")
        words = WORDS[kind][0]
        headline = Text(
            words.en.format(name=place.name.en, value=f"{note.value:g}", twin=twin.en),
            words.zh.format(name=place.name.zh, value=f"{note.value:g}", twin=twin.zh),
        )
        return self._detection(one, place, "Sensor", "Minor", headline, 1, now)

    def _many(self, faults: Sequence[Held], district: str, now: int) -> Group:
        members = tuple(one.note.datastream for one in faults)
        kind = KINDS[faults[0].note.kind]
        first = min(faults, key=lambda one: (one.note.since, one.note.datastream))
        zone = self._directory.smallest(members, MOST_OF_THEM)
        place = zone or replace_district(self._directory.place(first.note.datastream), district)
        words, n = WORDS[kind][1], f"{len(members):,}"
        headline = Text(words.en.format(name=place.name.en, n=n), words.zh.format(name=place.name.zh, n=n))
        return Group(
            detection=self._detection(first, place, "Sensors", "Moderate", headline, len(members), now), members=members
        )

    def _detection(
        self, one: Held, place: Place, prefix: str, severity: Severity, headline: Text, members: int, now: int
    ) -> Detection:
        note, kind = one.note, KINDS[one.note.kind]
        pack, property_, unit = self._directory.watched(note.datastream)
        rule = prefix + kind.capitalize()
        return Detection(
            id=alert_id(pack, f"{rule}/{property_}", place.id, note.since),
            pack=pack,
            rule=rule,
            place=place.id,
            place_kind="zone" if prefix == "Sensors" else "asset",
            place_name=place.name,
            lon=place.lon,
            lat=place.lat,
            district=place.district,
            state="firing",
            kind="data-quality",
            severity=severity,
            onset=note.since,
            time=now,
            value=note.value if members == 1 and kind != "silent" else None,
            expected=None,
            score=None,
            unit=unit,
            headline=headline,
            labels={"fault": kind, "gateway": one.source, "property": property_, "datastreams": str(members)},
            why=Why(
                channel=kind if kind in ("stuck", "silent") else "",
                lasted_ms=max(now - note.since, 0),
                members=members if members > 1 else 0,
                corroborated=("persistence",) if members == 1 else ("members", "persistence"),
            ),
        )


def replace_district(place: Place, district: str) -> Place:
    """The first sensor's place standing for a district that is no zone of the city."""
    return Place(place.id, place.name, place.lon, place.lat, district)
