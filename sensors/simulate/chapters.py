"""How a recording is replayed: a warm-up, then chapters, each at its own speed."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from models.values import Text
from sensors.simulate.declared import FeedError, read


class _WarmUp(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    from_: str
    to: str


class _Chapter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    to: str
    speed: float | Literal["max"]
    title: Text | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``feed.yaml`` of a replayed city as written."""

    warm_up: _WarmUp
    speed: float
    chapters: tuple[_Chapter, ...] = ()


@dataclass(frozen=True, slots=True)
class Chapter:
    """The readings after ``from_ms`` up to ``to_ms`` (None: to the end), so many simulated seconds in a second.

    ``speed`` is infinite where the readings go as fast as the gateway takes them.
    """

    from_ms: int
    to_ms: int | None
    speed: float
    title: Text | None = None


def chapters(path: Path, timezone: str, speed: float | None = None) -> list[Chapter]:
    """The chapters declared in ``path``, warm-up first; ``speed`` takes the place of every finite one."""
    written = read(path, _File)
    zone = ZoneInfo(timezone)
    start = _ms(path, "warm_up.from", written.warm_up.from_, zone)
    ends = [_Chapter(written.warm_up.to, "max"), *written.chapters]
    found: list[Chapter] = []
    for number, chapter in enumerate(ends):
        key = f"chapters[{number - 1}].to" if number else "warm_up.to"
        end = _ms(path, key, chapter.to, zone)
        if end <= start:
            raise FeedError(f"{path}: {key}: {chapter.to} is not after the end of the chapter before it")
        found.append(Chapter(start, end, _speed(path, chapter.speed, speed), chapter.title))
        start = end
    return [*found, Chapter(start, None, _speed(path, written.speed, speed))]


def after(position_ms: int, whole: Sequence[Chapter]) -> list[Chapter]:
    """What is left of the chapters when everything up to ``position_ms`` has been sent."""
    left = [chapter for chapter in whole if chapter.to_ms is None or chapter.to_ms > position_ms]
    first = left[0]
    return [Chapter(max(first.from_ms, position_ms), first.to_ms, first.speed, first.title), *left[1:]]


def _speed(path: Path, declared: float | Literal["max"], instead: float | None) -> float:
    if declared == "max":
        return math.inf
    speed = declared if instead is None else instead
    if not speed > 0:
        raise FeedError(f"{path}: speed {speed:g} is not above zero; 3600 replays an hour in a second")
    return float(speed)


def _ms(path: Path, key: str, local: str, zone: ZoneInfo) -> int:
    try:
        moment = dt.datetime.fromisoformat(local)
    except ValueError as error:
        raise FeedError(f'{path}: {key}: {local!r} is no local time; write it as "2020-01-01 18:00"') from error
    return int(moment.replace(tzinfo=zone).timestamp() * 1000)
