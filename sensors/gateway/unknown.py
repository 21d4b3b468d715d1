"""Datastreams that sources send and the register does not know: kept in sight until a person adopts or forgets them.

Their readings are refused and dead-lettered all the same, so that nothing is lost: once the datastream is adopted,
`citybrain dead replay` sends them again.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from sensors.codecs.errors import Fault

UNKNOWN = "unknown-datastream"
MOST = 10_000  # names kept in sight; a source that invents names must not fill the store


class Unknown(msgspec.Struct):
    """One unknown datastream: who sends it, how often it came, and since when (ms since 1970)."""

    datastream: str
    source: str
    count: int = 0
    first: int = 0
    last: int = 0


class Quarantine:
    """The unknown datastreams that came since this gateway began; ``on`` is the policy: quarantine, or refuse only."""

    def __init__(self, on: bool = True) -> None:
        self.on = on
        self.seen: dict[str, Unknown] = {}
        self.moved: set[str] = set()  # since they were last written to the store

    def note(self, source: str, faults: Iterable[Fault], now_ms: int) -> None:
        """Take note of the faults that are unknown datastreams."""
        if not self.on:
            return
        for fault in faults:
            if fault.code != UNKNOWN or not isinstance(fault.value, str):
                continue
            one = self.seen.get(fault.value)
            if one is None:
                if len(self.seen) >= MOST:
                    continue
                one = self.seen[fault.value] = Unknown(fault.value, source, first=now_ms)
            one.count, one.last, one.source = one.count + 1, now_ms, source
            self.moved.add(fault.value)
