"""What a shift report tells: gathered from the archive and, while the city runs, from the store."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast
from zoneinfo import ZoneInfo

import duckdb
import msgspec
from redis import Redis
from redis.exceptions import RedisError

from citybrain import running
from config import city as cities
from config import contract, notifications, roster
from config.city import City
from config.contract import Topic
from config.settings import Settings
from models import roster as rosters
from models.alarm_quality import Quality, measure
from models.roster import ROTA, Duty, Handover, Roster, Rota
from models.values import SEVERITIES, Alert, AuditLine, Incident, Text, from_json
from sensors.gateway.quality import past_alerts

LIVE_MS = 60_000  # a report that ends so near to now tells what the store holds
STORE_S = 5.0
T = TypeVar("T", bound=msgspec.Struct)


class ReportError(ValueError):
    """A report cannot be written; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Facts:
    """One shift, or any span, of one city; times in ms since 1970."""

    city: City
    start: int
    end: int
    now: int
    shift: Text
    duty: tuple[Duty, ...]
    handover: Handover | None
    alerts: tuple[Alert, ...]  # that opened in the span
    quality: Quality
    open: tuple[Incident, ...]  # at its end, the most severe first
    settled: tuple[Incident, ...]  # closed or resolved in it
    shelved: tuple[Alert, ...]  # at its end
    anchor: str  # of the audit at the end of the archive: NUMBER:CHAIN

    def local(self, at: int) -> dt.datetime:
        """A moment in the city's time."""
        return dt.datetime.fromtimestamp(at / 1000, ZoneInfo(self.city.timezone))


def gather(settings: Settings, start: int | None, end: int | None, now: int) -> Facts:
    """The facts from ``start`` to ``end``, or of the shift that ends about now; raises ``ReportError``."""
    city = cities.load(settings.city)
    declared = roster.load(city.folder, frozenset(notifications.load(city.folder)))
    watch = rosters.ending_watch(declared, city.calendar, now)
    start, end = watch.start if start is None else start, min(watch.end, now) if end is None else end
    if not start < end:
        raise ReportError(f"the span from {start} to {end} is empty; give --from before --to")
    live = _Live(settings, end, now)
    alerts = past_alerts(settings.archive, start, end, live.values(contract.alerts, Alert))
    incidents = _as_of(settings, contract.INCIDENTS, Incident, end, live.values(contract.incidents, Incident))
    known = _as_of(settings, contract.ALERTS, Alert, end, live.values(contract.alerts, Alert))
    rota = live.rota() or _rota(settings, end)
    duty = rosters.on_duty(declared, city.calendar, rota, max(start, min(end, now) - 1))
    handovers = [one for one in rota.handovers if one.start == start]
    return Facts(
        city=city,
        start=start,
        end=end,
        now=now,
        shift=_shift(declared, city, start, end),
        duty=duty,
        handover=handovers[-1] if handovers else None,
        alerts=tuple(alerts),
        quality=measure(alerts, start, end, max(1, sum(one.role == "dispatcher" for one in duty)), now),
        open=_ranked(one for one in incidents if one.closed is None and not one.merged_into and one.opened < end),
        settled=_ranked(one for one in incidents if one.closed is not None and start <= one.closed < end),
        shelved=tuple(one for one in known if one.state == "shelved"),
        anchor=_anchor(settings),
    )


def _shift(declared: Roster, city: City, start: int, end: int) -> Text:
    """The shift's name where the span is one shift, or a part of it from its begin."""
    watch = rosters.watch_at(declared, city.calendar, start)
    return watch.shift.name if watch.start == start and end <= watch.end else Text(en="Span", zh="时段")


def _ranked(incidents: Iterable[Incident]) -> tuple[Incident, ...]:
    return tuple(sorted(incidents, key=lambda one: (SEVERITIES.index(one.severity), one.opened, one.id)))


class _Live:
    """What the store holds, where the report ends about now and the city runs; else nothing."""

    def __init__(self, settings: Settings, end: int, now: int) -> None:
        url = running.store(settings) if end >= now - LIVE_MS else None
        self._city = settings.city
        self._store = Redis.from_url(url, socket_timeout=STORE_S) if url else None

    def values(self, key: Callable[[str], str], kind: type[T]) -> list[T]:
        """The values of the hash that ``key`` of config/contract.py names."""
        return [from_json(one, kind) for one in self._hash(key(self._city)).values()]

    def rota(self) -> Rota | None:
        """Who changed seats, and the handovers."""
        kept = self._hash(contract.room(self._city)).get(ROTA.encode())
        return from_json(kept, Rota) if kept else None

    def _hash(self, name: str) -> dict[bytes, bytes]:
        if self._store is None:
            return {}
        try:
            return cast("dict[bytes, bytes]", self._store.hgetall(name))
        except (RedisError, OSError) as error:
            raise ReportError(f"the store cannot be read: {error}; check CITYBRAIN_REDIS") from error


def _as_of(settings: Settings, topic: Topic, kind: type[T], end: int, live: list[T]) -> list[T]:
    """The newest value of each key that the archive has from before ``end``; what is live is newer."""
    found = {key: value for key, body in _newest(settings.archive / topic.name, end) if (value := _read(body, kind))}
    return list((found | {one.id: one for one in live}).values())  # type: ignore[attr-defined]  # each kind has an id


def _rota(settings: Settings, end: int) -> Rota:
    kept = dict(_newest(settings.archive / contract.ROOM.name, end)).get(ROTA)
    return (_read(kept, Rota) if kept else None) or Rota()


def _anchor(settings: Settings) -> str:
    """The newest line of the audit in the archive, as ``citybrain audit verify --anchor`` takes it."""
    files = [str(path) for path in (settings.archive / contract.AUDIT.name).glob("day=*/p0-*.parquet")]
    if not files:
        return ""
    with duckdb.connect() as connection:
        query = 'SELECT arg_max(value, "offset") FROM read_parquet($files, hive_partitioning = false)'
        row = connection.execute(query, {"files": files}).fetchone()
    line = _read(row[0], AuditLine) if row and row[0] else None
    return f"{line.number}:{line.chain}" if line else ""


def _newest(folder: Path, end: int) -> list[tuple[str, str]]:
    """(key, value) of the newest message of each key before ``end``; what was taken away is left out."""
    files = [str(path) for path in folder.glob("day=*/p0-*.parquet")]
    if not files:
        return []
    query = """
        SELECT key, arg_max({'value': value}, "offset")['value'] AS value
        FROM read_parquet($files, hive_partitioning = false) WHERE epoch_ms(time) < $end GROUP BY key
    """
    with duckdb.connect(config={"threads": 1}) as connection:
        rows = connection.execute(query, {"files": files, "end": end}).fetchall()
    return [(key, value) for key, value in rows if value is not None]


def _read(body: str, kind: type[T]) -> T | None:
    """The value; None for one of a version that cannot be read any more."""
    try:
        return from_json(body, kind)
    except msgspec.DecodeError:
        return None
