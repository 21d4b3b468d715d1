"""The recorded ticks of a span, found by time; their bodies are read when they are asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from citybrain.archive import files
from citybrain.archive.reader import Archive
from models.ticks import Ticked
from streams.archive_files import Part

REMEMBERED = 6  # row groups
TOTALS_REMEMBERED = 20_000  # ticks, a day of them
TOTALS = b'"totals":'


@dataclass(frozen=True, slots=True)
class _Row:
    part: Part
    group: int
    row: int


class Ticks:
    """The ticks that the broker took from ``start`` to ``end`` (ms, time of doing), each once."""

    def __init__(self, archive: Archive, start: int, end: int) -> None:
        self._archive = archive
        self._read: OrderedDict[tuple[Part, int], Sequence[pa.StringScalar]] = OrderedDict()
        self._known: OrderedDict[int, bytes] = OrderedDict()  # the totals of ticks, by their number
        found: dict[int, _Row] = {}
        for part in archive.parts("ticks", archive.between("ticks", start, end)):
            for tick, row in self._index(part):
                found.setdefault(tick, row)
        self.times: NDArray[np.int64] = np.array(sorted(found), np.int64)  # their ends, phenomenon time
        self._rows = [found[tick] for tick in self.times.tolist()]

    def __len__(self) -> int:
        return len(self._rows)

    def place(self, moment: int) -> int:
        """The number of the newest tick at or before ``moment`` (ms, phenomenon time); -1 before the first."""
        return int(np.searchsorted(self.times, moment, "right")) - 1

    def body(self, number: int) -> bytes | None:
        """One tick as JSON (models/ticks.py); None where its file cannot be read any more."""
        at = self._rows[number]
        texts = self._texts(at.part, at.group)
        return texts[at.row].as_buffer().to_pybytes() if at.row < len(texts) else None

    def read(self, number: int) -> Ticked | None:
        """One tick."""
        body = self.body(number)
        return None if body is None else msgspec.json.decode(body, type=Ticked)

    def totals(self, number: int, points: int) -> list[bytes]:
        """The totals of the newest ``points`` ticks up to ``number``, newest first, as the key ``history`` has them."""
        found = []
        for at in range(number, max(-1, number - points), -1):
            totals = self._totals(at)
            if totals:
                found.append(b'{"tick":%d,"totals":%b}' % (self.times[at], totals))
        return found

    def _totals(self, number: int) -> bytes:
        """The totals in the JSON of a tick, found without reading the rest: hundreds are asked for at once."""
        if number not in self._known:
            body = self.body(number) or b""
            at = body.find(TOTALS)
            self._known[number] = body[at + len(TOTALS) : body.index(b"}", at) + 1] if at >= 0 else b""
            while len(self._known) > TOTALS_REMEMBERED:
                self._known.popitem(last=False)
        return self._known[number]

    def all(self) -> Iterator[Ticked]:
        """Every tick in order."""
        for number in range(len(self)):
            one = self.read(number)
            if one is not None:
                yield one

    def _index(self, part: Part) -> Iterator[tuple[int, _Row]]:
        try:
            with part.open() as file:
                if why := files.of_another_version(part, file.schema_arrow):
                    self._archive.notices.add(why)
                    return
                for group in range(file.num_row_groups):
                    keys = file.read_row_group(group, columns=["key"])["key"].to_pylist()
                    yield from ((int(key), _Row(part, group, row)) for row, key in enumerate(keys))
        except (OSError, pa.ArrowException) as error:
            self._archive.notices.add(files.unreadable(part, error))

    def _texts(self, part: Part, group: int) -> Sequence[pa.StringScalar]:
        key = (part, group)
        if key not in self._read:
            try:
                with part.open() as file:
                    table = file.read_row_group(group, columns=["value"], use_threads=False)
                    self._read[key] = table["value"].combine_chunks()
            except (OSError, pa.ArrowException) as error:
                self._archive.notices.add(files.unreadable(part, error))
                self._read[key] = ()
            while len(self._read) > REMEMBERED:
                self._read.popitem(last=False)
        self._read.move_to_end(key)
        return self._read[key]
