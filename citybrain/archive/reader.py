"""Reading the archive: messages and readings of a span, and everything about one incident.

Two clocks are in an archive: phenomenon time (readings, ticks) and the time at which things were done (alerts,
commands, audit). In a live city they are one; where a recording was fed they are not, and ``clock`` tells one by the
other.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from citybrain.archive import files
from citybrain.archive.files import ArchiveError, Notices
from citybrain.archive.store import Store, StoreError
from config.settings import Settings
from models.values import Alert, AuditLine, Command, Incident, Notification, Order, Unit, from_json
from streams import archive_files
from streams.archive_files import Part

T = TypeVar("T", bound=msgspec.Struct)
DAY_MS = 86_400_000
LIVE_MS = 10 * 60_000  # readings that come later than this were not fed as they happened
EXACT_ROWS = 3_000_000  # in so many readings the clock is looked up row by row, in more file by file
FOREVER_MS = 253_370_764_800_000  # the year 9999: later moments are as good, and days have four digits of year
COLUMNS = ["datastream", "time", "value", "flags", "accepted", "offset"]
MESSAGE = ["offset", "time", "key", "value"]


@dataclass(frozen=True, slots=True)
class Recorded:
    """One archived message; ``time`` ms when the broker took it, ``value`` JSON, None for a tombstone."""

    offset: int
    time: int
    key: str
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Clock:
    """Phenomenon time by the time of doing and back, ms, as knots that both ascend; none: the two are one."""

    done: NDArray[np.int64]
    seen: NDArray[np.int64]

    @property
    def live(self) -> bool:
        """Whether the city's clock was that of the room."""
        return not len(self.done)

    def phenomenon(self, done_ms: float) -> int:
        """What time it was in the readings when something was done."""
        return int(done_ms) if self.live else int(np.interp(done_ms, self.done, self.seen))

    def doing(self, seen_ms: float) -> int:
        """When the reading of that time was the newest."""
        if self.live:
            return int(seen_ms)
        at = int(np.searchsorted(self.seen, seen_ms, "right"))
        if at == 0:
            return int(self.done[0]) - 1
        if at == len(self.seen):
            return int(self.done[-1] + (seen_ms - self.seen[-1]))
        return int(np.interp(seen_ms, self.seen[at - 1 : at + 1], self.done[at - 1 : at + 1]))


ONE_CLOCK = Clock(np.zeros(0, np.int64), np.zeros(0, np.int64))


@dataclass(frozen=True)
class Case:
    """Everything the archive has about one incident; times in it are those of doing but for onsets, ms.

    ``versions`` are the incident's states, ``alerts`` its alerts as they were last, ``units`` the states of units while
    they were its own.
    """

    incident: Incident
    versions: tuple[Incident, ...]
    alerts: dict[str, Alert]
    commands: tuple[Command | Order, ...]
    audit: tuple[AuditLine, ...]
    notifications: tuple[Notification, ...]
    units: tuple[Unit, ...]
    clock: Clock

    @property
    def done(self) -> tuple[int, int]:
        """From its opening to its end or its last change, time of doing, ms."""
        return self.incident.opened, self.incident.closed or self.incident.changed

    @property
    def span(self) -> tuple[int, int]:
        """The same in phenomenon time, from the first onset on."""
        first = min((alert.detection.onset for alert in self.alerts.values()), default=None)
        begin, end = (self.clock.phenomenon(at) for at in self.done)
        return min(begin, first) if first is not None else begin, end


@dataclass(frozen=True, slots=True)
class Footer:
    """What a file's footer says: ``times`` the first and last ``time`` of each row group, ms, None where unknown."""

    meta: pq.FileMetaData
    times: tuple[tuple[int, int] | None, ...]

    @property
    def reach(self) -> tuple[int, int] | None:
        """The first and last time of the file; None where it has no rows."""
        return _reach(self.times)


class Archive:
    """The archive below ``folder`` (``settings.archive``), and what of it lies in an object store.

    ``notices`` gathers what could not be read.
    """

    def __init__(self, folder: Path, store: Store | None = None) -> None:
        self.folder = folder
        self.store = store
        self.notices = Notices()
        self._footers: dict[Path, Footer | None] = {}  # files never change

    @classmethod
    def of(cls, settings: Settings) -> Archive:
        """The archive of a city; raises ``ArchiveError`` where its object store is declared wrongly."""
        return cls(settings.archive, Store.of(settings))

    # --- what there is ------------------------------------------------------------------------------------------

    def days(self, topic: str = "readings") -> list[str]:
        """The UTC days of which a topic has files, oldest first."""
        found = {path.name.removeprefix("day=") for path in (self.folder / topic).glob("day=*") if path.is_dir()}
        if self.store is not None:
            found |= {part.day for part in self._stored(topic)}
        return sorted(found)

    def parts(self, topic: str, days: Collection[str] | None = None) -> list[Part]:
        """The files of a topic, of all days or of some; what is here is not read from the store."""
        here = archive_files.parts(self.folder / topic, days)
        if self.store is None:
            return here
        known = {(one.day, one.path.name) for one in here}
        there = (one for one in self._stored(topic) if days is None or one.day in days)
        return archive_files.in_order([*here, *(one for one in there if (one.day, one.path.name) not in known)])

    def _stored(self, topic: str) -> list[Part]:
        """What the store has of a topic; where it does not answer, that is told and what is here is shown."""
        try:
            return [] if self.store is None else self.store.parts(topic)
        except StoreError as error:
            self.notices.add(error.notice)
            return []

    def reaches(self) -> tuple[int, int] | None:
        """The first and the last phenomenon time of all readings, ms; None when there are none."""
        days = self.days()
        if not days:
            return None
        first, last = (self._times(day) for day in (days[0], days[-1]))
        return (min(first[0], last[0]), max(first[1], last[1])) if first and last else None

    def need(self, start: int, end: int) -> None:
        """Raise ``ArchiveError`` where ``start`` to ``end`` (ms) is no span, or has no readings."""
        if end <= start:
            raise ArchiveError(
                f"the span ends at {shown(end)}, not after its start {shown(start)}; give --to after --from"
            )
        there = self.reaches()
        if there is None:
            raise ArchiveError(
                f"{self.folder} has no readings; record some with `citybrain demo` or `citybrain run archive`"
            )
        if end < there[0] or start > there[1]:
            raise ArchiveError(
                f"nothing is recorded from {shown(start)} to {shown(end)}; the archive has {shown(there[0])} to "
                f"{shown(there[1])}: choose a span within"
            )

    # --- messages -----------------------------------------------------------------------------------------------

    def messages(
        self, topic: str, start: int | None = None, end: int | None = None, keys: Collection[str] | None = None
    ) -> list[Recorded]:
        """A topic's messages by offset: those that the broker took from ``start`` to before ``end`` (ms), and of some
        keys alone where ``keys`` are given."""
        some = self.parts(topic, self.between(topic, start, end))
        found: dict[int, Recorded] = {}
        for _, table in files.tables(some, MESSAGE, self.notices):
            times = table["time"].cast(pa.int64())
            chosen = pc.and_(
                pc.greater_equal(times, -1 if start is None else start),
                pc.less(times, end if end is not None else 1 << 62),
            )
            if keys is not None:
                chosen = pc.and_(chosen, pc.is_in(table["key"], pa.array(list(keys), pa.string())))
            rows = table.filter(chosen)
            columns = (rows["offset"], rows["time"].cast(pa.int64()), rows["key"], rows["value"])
            for offset, time, key, value in zip(*(column.to_pylist() for column in columns), strict=True):
                found[offset] = Recorded(offset, time, key or "", None if value is None else value.encode())
        return [found[offset] for offset in sorted(found)]

    def last(self, topic: str, before: int, since: int = 0) -> dict[str, bytes]:
        """What a compacted topic held before ``before`` (ms): the newest value of each key; tombstones are gone."""
        held: dict[str, bytes] = {}
        for message in self.messages(topic, since or None, before):
            if message.value is None:
                held.pop(message.key, None)
            else:
                held[message.key] = message.value
        return held

    # --- readings -----------------------------------------------------------------------------------------------

    def readings(
        self,
        start: int,
        end: int,
        datastreams: Collection[int] | None = None,
        partition: int | None = None,
        columns: Sequence[str] = COLUMNS,
        ordered: bool = True,
    ) -> pa.Table:
        """The readings from ``start`` to before ``end`` (ms, phenomenon time), by time, then datastream.

        ``datastreams`` (register integers), ``partition`` and ``columns`` choose some; time and datastream are among
        the columns. Files and row groups that lie elsewhere are not read. Not ``ordered``: as they lie in the files.
        """
        some = self.parts("readings", self.between("readings", start, end))
        chosen = (part for part in some if partition in (None, part.partition))
        found = [self._within(part, start, end, datastreams, columns) for part in chosen]
        kept = [table for table in found if table is not None and table.num_rows]
        if not kept:
            return _NO_READINGS.select(list(columns))
        table = pa.concat_tables(kept)
        if not ordered:
            return table
        order = np.lexsort((table["datastream"].to_numpy(), table["time"].cast(pa.int64()).to_numpy()))
        return table.take(pa.array(order))

    def _within(
        self, part: Part, start: int, end: int, datastreams: Collection[int] | None, columns: Sequence[str]
    ) -> pa.Table | None:
        """The rows of one file, of which only the row groups are read that have readings of the span."""
        footer = self.footer(part)
        if footer is None:
            return None
        touched = [n for n, one in enumerate(footer.times) if one is None or (one[0] < end and one[1] >= start)]
        if not touched:
            return None
        try:
            with part.open(footer.meta) as file:
                table = file.read_row_groups(touched, columns=list(columns), use_threads=False)
        except (OSError, pa.ArrowException) as error:
            self.notices.add(files.unreadable(part, error))
            return None
        time = table["time"]
        keep = pc.and_(pc.greater_equal(time, _stamp(start)), pc.less(time, _stamp(end)))
        if datastreams is not None:
            keep = pc.and_(keep, pc.is_in(table["datastream"], pa.array(list(datastreams), pa.int32())))
        return table.filter(keep)

    def footer(self, part: Part) -> Footer | None:
        """What the file's footer says, read once; None for a file that cannot be read, which is told."""
        if part.path not in self._footers:
            self._footers[part.path] = self._read_footer(part)
        return self._footers[part.path]

    def _read_footer(self, part: Part) -> Footer | None:
        try:
            with part.open() as file:
                if why := files.of_another_version(part, file.schema_arrow):
                    self.notices.add(why)
                    return None
                return Footer(file.metadata, _extents(file.metadata, file.schema_arrow, "time"))
        except (OSError, pa.ArrowException) as error:
            self.notices.add(files.unreadable(part, error))
            return None

    # --- clocks -------------------------------------------------------------------------------------------------

    def clock(self, start: int, end: int) -> Clock:
        """How phenomenon time and the time of doing go together from ``start`` to ``end`` (phenomenon time, ms)."""
        some = self.parts("readings", self.between("readings", start - DAY_MS, end + DAY_MS))
        rows, knots = 0, []
        for part in some:
            footer = self.footer(part)
            accepted = (
                None if footer is None else _extents(footer.meta, footer.meta.schema.to_arrow_schema(), "accepted")
            )
            if footer is not None and footer.reach is not None and any(accepted or ()):
                rows += footer.meta.num_rows
                knots.append((max(one[1] for one in accepted or () if one is not None), footer.reach[1]))
        if rows <= EXACT_ROWS:
            knots = self._exact(some)
        if not knots:
            return ONE_CLOCK
        done, seen = np.array(sorted(knots), np.int64).T
        if np.median(np.abs(done - seen)) < LIVE_MS:
            return ONE_CLOCK
        seen = np.maximum.accumulate(seen)
        rising = np.concatenate([[True], np.diff(seen) > 0])
        return Clock(done[rising], seen[rising])

    def _exact(self, some: list[Part]) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for _, table in files.tables(some, ["time", "accepted"], self.notices):
            newest = table.group_by("accepted").aggregate([("time", "max")])
            pairs = zip(
                newest["accepted"].cast(pa.int64()).to_pylist(),
                newest["time_max"].cast(pa.int64()).to_pylist(),
                strict=True,
            )
            found += list(pairs)
        return found

    # --- one incident -------------------------------------------------------------------------------------------

    def incident(self, name: str) -> Case:
        """Everything about the incident ``name``; raises ``ArchiveError`` when the archive does not know it."""
        versions = [from_json(one.value, Incident) for one in self.messages("incidents", keys=[name]) if one.value]
        if not versions:
            known = len({one.key for one in self.messages("incidents")})
            raise ArchiveError(f"the archive has no incident {name!r} among its {known}; is it of another city?")
        last = versions[-1]
        start, end = last.opened - DAY_MS, (last.closed or last.changed) + DAY_MS
        alerts = self._alerts(last, start, end)
        subjects = {name, *alerts, *last.units}
        bodies = [one.value for one in self.messages("commands", start, end) if one.value]
        commands = [one for one in map(_command, bodies) if one is not None and _subject(one) in subjects]
        lines = _typed(self.messages("audit", start, end), AuditLine)
        notes = _typed(self.messages("notifications", start, end), Notification)
        units = _typed(self.messages("units", start, end), Unit)
        seen = [alert.detection.onset for alert in alerts.values()] or [last.opened]
        return Case(
            incident=last,
            versions=tuple(versions),
            alerts=alerts,
            commands=tuple(commands),
            audit=tuple(line for line in lines if line.subject in subjects),
            notifications=tuple(note for note in notes if note.incident == name or note.alert in alerts),
            units=tuple(unit for unit in units if unit.incident == name),
            clock=self.clock(min(seen), max(seen)),
        )

    def _alerts(self, incident: Incident, start: int, end: int) -> dict[str, Alert]:
        found = {one.id: one for one in _typed(self.messages("alerts", start, end), Alert)}
        named = set(incident.alerts)
        return {key: one for key, one in found.items() if one.incident == incident.id or key in named}

    # --- days ---------------------------------------------------------------------------------------------------

    def between(self, topic: str, start: int | None, end: int | None) -> list[str]:
        """The days of a topic that ``start`` to ``end`` touches."""
        first, last = (None if at is None else day_of(min(max(at, 0), FOREVER_MS)) for at in (start, end))
        return [day for day in self.days(topic) if (first is None or day >= first) and (last is None or day <= last)]

    def _times(self, day: str) -> tuple[int, int] | None:
        footers = (self.footer(part) for part in self.parts("readings", [day]))
        return _reach(None if one is None else one.reach for one in footers)


_NO_READINGS = pa.table(
    {
        "datastream": pa.array([], pa.int32()),
        "time": pa.array([], pa.timestamp("ms", "UTC")),
        "value": pa.array([], pa.float64()),
        "flags": pa.array([], pa.uint8()),
        "accepted": pa.array([], pa.timestamp("ms", "UTC")),
        "offset": pa.array([], pa.int64()),
    }
)


def day_of(at: int) -> str:
    """The UTC day of a moment (ms), YYYY-MM-DD."""
    return str(np.datetime64(at // DAY_MS, "D"))


def shown(at: int) -> str:
    """A moment (ms) as people write it, UTC."""
    return dt.datetime.fromtimestamp(at / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _stamp(at: int) -> pa.Scalar:
    return pa.scalar(at, pa.timestamp("ms", "UTC"))


def _reach(some: Iterable[tuple[int, int] | None]) -> tuple[int, int] | None:
    """The least and the greatest of some extents; None where none is known."""
    known = [one for one in some if one is not None]
    return (min(one[0] for one in known), max(one[1] for one in known)) if known else None


def _extents(footer: pq.FileMetaData, schema: pa.Schema, column: str) -> tuple[tuple[int, int] | None, ...]:
    """The least and the greatest value of a time column in each row group, ms; None where it is not known."""
    at = schema.get_field_index(column)
    found = [footer.row_group(number).column(at).statistics for number in range(footer.num_row_groups)]
    return tuple((_ms(one.min), _ms(one.max)) if one is not None and one.has_min_max else None for one in found)


def _ms(value: object) -> int:
    assert isinstance(value, dt.datetime)  # as Parquet's timestamps come
    return round(value.timestamp() * 1000)


class _About(msgspec.Struct):
    about: str = ""


def _command(body: bytes) -> Command | Order | None:
    """The command in a message; None where it is none."""
    try:
        return from_json(body, Order) if from_json(body, _About).about else from_json(body, Command)
    except msgspec.DecodeError:
        return None


def _subject(one: Command | Order) -> str:
    return one.alert if isinstance(one, Command) else one.subject


def _typed(some: Iterable[Recorded], kind: type[T]) -> list[T]:
    """The messages as values, without tombstones."""
    return [from_json(one.value, kind) for one in some if one.value is not None]
