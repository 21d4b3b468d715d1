"""What every codec is: a name, what it is recognised by, and a function from bytes to values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sensors.codecs.columns import Columns
from sensors.codecs.errors import Amiss, Fault, TooMany
from sensors.codecs.values import Value

if TYPE_CHECKING:
    from sensors.codecs.sparkplug_session import Session

KEPT = 64 * 1024  # bytes of a record that are shown or kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What the door knows beside the bytes. Codecs read no clock, no topic and no path themselves.

    ``zone`` is the time zone of times that come without one. ``mapping`` says which column means what, for formats
    that do not say it themselves (sensors/codecs/mapping.py). ``session`` is what earlier messages of the same
    connection said; the door keeps one a broker and hands it to every message.
    """

    now: int  # ms since 1970-01-01 UTC: when it came
    limit: int = 20_000  # records in one message
    source: str = ""  # the gateway's name
    asset: str = ""  # whose message it is, where the path says so
    datastream: str = ""  # the datastream, where the path or the poll says so
    topic: str = ""  # MQTT
    zone: str = "Asia/Shanghai"
    picture: tuple[int, int] | None = None  # pixels of the camera's picture, where the register tells
    mapping: Mapping[str, object] | None = None
    session: Session | None = None


def _nothing(index: int) -> bytes:
    return b""


@dataclass(slots=True, kw_only=True)
class Decoded:
    """What one message held: every record is in ``values``, among the ``faults``, or says nothing on its own.

    ``records`` tells for each value which record it came from, from 0; ``count`` is how many records there were.
    ``text(index)`` gives a record as bytes, for the dead letters.
    """

    values: list[Value] = field(default_factory=list)
    records: list[int] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    count: int = 0
    text: Callable[[int], bytes] = _nothing

    def add(self, index: int, *values: Value) -> None:
        """Take in the values of the record ``index``."""
        self.values.extend(values)
        self.records.extend([index] * len(values))


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """One format. ``decode`` raises ``Unreadable`` and nothing else; it neither keeps nor changes what it is given.

    ``columns`` is the quick way for readings in bulk, where there is one: columns that are checked all at once.
    """

    name: str
    title: str
    media: tuple[str, ...]
    endings: tuple[str, ...]  # of files, with the dot
    decode: Callable[[bytes, Envelope], Decoded]
    columns: Callable[[bytes, Envelope], Columns] | None = None
    topics: tuple[str, ...] = ()  # MQTT topic filters it usually comes on


def bounded(count: int, limit: int) -> int:
    """``count``; raises ``TooMany`` when it is more than ``limit``."""
    if count > limit:
        raise TooMany(count, limit)
    return count


def each(decoded: Decoded, index: int, read: Callable[[], tuple[Value, ...]], where: str = "") -> None:
    """Take in what ``read`` gives for the record ``index``, or the fault it raises as ``Amiss``."""
    try:
        decoded.add(index, *read())
    except Amiss as amiss:
        decoded.faults.append(amiss.at(index, where))
