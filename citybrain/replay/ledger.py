"""A compacted topic as it was at any moment: every message of a span in memory, found by time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from citybrain.archive.reader import Recorded


class Ledger:
    """What a topic held before (``base`` by key) and the messages since, in their order."""

    def __init__(self, base: Mapping[str, bytes], messages: Sequence[Recorded]) -> None:
        self._base = dict(base)
        self._messages = messages
        self._times = np.maximum.accumulate(np.array([one.time for one in messages], np.int64))
        keys = {name: number for number, name in enumerate(dict.fromkeys(one.key for one in messages))}
        self._keys = list(keys)
        self._key = np.array([keys[one.key] for one in messages], np.int64)

    def at(self, doing: int) -> dict[str, bytes]:
        """The newest value of each key up to ``doing`` (ms); keys that were taken away are gone."""
        n = int(np.searchsorted(self._times, doing, "right"))
        last = np.full(len(self._keys), -1, np.int64)
        last[self._key[:n]] = np.arange(n)  # of a key that comes several times the last stays
        held = dict(self._base)
        for number in last[last >= 0].tolist():
            message = self._messages[number]
            if message.value is None:
                held.pop(message.key, None)
            else:
                held[message.key] = message.value
        return held

    def between(self, after: int, until: int) -> Sequence[Recorded]:
        """The messages after ``after`` up to ``until`` (ms), in their order."""
        a, b = np.searchsorted(self._times, (after, until), "right")
        return self._messages[int(a) : int(b)]

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[Recorded]:
        return iter(self._messages)
