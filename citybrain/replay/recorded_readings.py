"""The archived readings as the shards took them: batch after batch, in the order of their offsets."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from citybrain.archive import files
from citybrain.archive.reader import Archive
from models.batch import Batch
from streams.archive_files import Part

COLUMNS = ["datastream", "time", "value", "flags", "accepted", "offset"]
LATE_MS = 3_600_000  # readings may have come so much later than they were made
AT_ONCE = 100_000  # readings of a batch, about: row groups are as large


class Readings:
    """The readings up to ``end`` (ms): of each shard those of the offsets from ``since`` on, and where a shard has none
    in it those from ``start`` (ms) on. ``datastreams`` (register integers) chooses some, None is all.

    Within one message the archive keeps no order but that of datastream and time.
    """

    def __init__(
        self, archive: Archive, start: int, end: int, since: Mapping[int, int], datastreams: Collection[int] | None
    ) -> None:
        self._archive, self._start, self._end, self._since = archive, start, end, since
        self._wanted = None if datastreams is None else np.array(sorted(datastreams), np.int32)
        days = archive.between("readings", start - LATE_MS, end)
        some = (part for part in archive.parts("readings", days) if part.next > since.get(part.partition, 0))
        self._parts = [part for part in some if self._groups(part)]
        self.shards = sorted({part.partition for part in self._parts})
        self.rows = sum(self._rows(part) for part in self._parts)  # to be read, a little more than will be judged

    def _rows(self, part: Part) -> int:
        footer = self._archive.footer(part)
        return 0 if footer is None else sum(footer.meta.row_group(n).num_rows for n in self._groups(part))

    def _groups(self, part: Part) -> list[int]:
        """The row groups of a file that may have readings of the span."""
        footer = self._archive.footer(part)
        if footer is None:
            return []
        first = self._start - (LATE_MS if part.partition in self._since else 0)
        return [n for n, one in enumerate(footer.times) if one is None or (one[0] <= self._end and one[1] >= first)]

    def of(self, shard: int) -> Iterator[tuple[int, Batch]]:
        """A shard's batches, each with how many rows were read for it."""
        mine = (part for part in self._parts if part.partition == shard)
        for _, some in itertools.groupby(mine, lambda part: (part.first, part.next)):
            for read, table in self._tables(list(some)):
                yield read, self._batch(shard, table)

    def _tables(self, some: Sequence[Part]) -> Iterator[tuple[int, pa.Table]]:
        """The rows of the files of one stretch of offsets, a row group at a time where they are one file."""
        if self._wanted is not None:
            rows = sum(self._rows(part) for part in some)
            found = [table for part in some if (table := self._chosen(part)) is not None]
            yield rows, pa.concat_tables(found) if found else _NOTHING
            return
        if len(some) == 1:
            for group in self._groups(some[0]):
                table = self._read(some[0], [group])
                if table is not None:
                    yield table.num_rows, table
            return
        found = [table for part in some if (table := self._read(part, self._groups(part))) is not None]
        if found:
            table = pa.concat_tables(found)
            yield table.num_rows, table

    def _read(self, part: Part, groups: Sequence[int]) -> pa.Table | None:
        footer = self._archive.footer(part)
        if footer is None or not groups:
            return None
        try:
            with part.open(footer.meta) as file:
                return file.read_row_groups(list(groups), columns=[*COLUMNS, "source"], use_threads=False)
        except (OSError, pa.ArrowException) as error:
            self._archive.notices.add(files.unreadable(part, error))
            return None

    def _chosen(self, part: Part) -> pa.Table | None:
        """The readings of the wanted datastreams in one file; the others are skipped without being unpacked."""
        wanted = self._wanted
        assert wanted is not None  # as it was asked
        if part.away:
            table = self._read(part, self._groups(part))
            if table is None:
                return None
            return table.select(COLUMNS).filter(pc.is_in(table["datastream"], pa.array(wanted)))
        if self._archive.footer(part) is None:
            return None
        try:
            found = pl.scan_parquet(part.path).filter(pl.col("datastream").is_in(pl.Series(wanted).implode()))
            return found.select(COLUMNS).collect().to_arrow()
        except (OSError, pl.exceptions.PolarsError) as error:
            self._archive.notices.add(files.unreadable(part, error))
            return None

    def _batch(self, shard: int, table: pa.Table) -> Batch:
        """The rows of the span as one batch, in the order of offsets."""
        time = table["time"].cast(pa.int64()).to_numpy()
        offset = table["offset"].to_numpy()
        since = self._since.get(shard)
        keep = (time <= self._end) & (offset >= since if since is not None else time >= self._start)
        row = np.flatnonzero(keep)
        row = row[np.argsort(offset[row], kind="stable")]
        accepted = table["accepted"].cast(pa.int64()).to_numpy()[row]
        datastream, value, flags = (table[name].to_numpy()[row] for name in ("datastream", "value", "flags"))
        parts = _gateways(table, row)
        return Batch(datastream, time[row], value, flags, "", int(accepted.min(initial=0)), parts)


def _gateways(table: pa.Table, row: NDArray[np.intp]) -> tuple[tuple[str, int], ...]:
    """Which gateway sent the chosen rows, and how many of them one after the other."""
    if "source" not in table.column_names or not len(row):
        return (("", len(row)),)
    source = table["source"].combine_chunks().dictionary_encode()
    source = source.chunk(0) if isinstance(source, pa.ChunkedArray) else source
    code = source.indices.to_numpy(zero_copy_only=False)[row]
    edges = np.flatnonzero(np.diff(code)) + 1
    runs = zip([0, *edges.tolist()], [*edges.tolist(), len(code)], strict=True)
    return tuple((str(source.dictionary[int(code[first])]), end - first) for first, end in runs)


_NOTHING = pa.table(
    {
        "datastream": pa.array([], pa.int32()),
        "time": pa.array([], pa.int64()),
        "value": pa.array([], pa.float64()),
        "flags": pa.array([], pa.uint8()),
        "accepted": pa.array([], pa.int64()),
        "offset": pa.array([], pa.int64()),
    }
)
