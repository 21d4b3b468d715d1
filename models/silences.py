"""Silences: for a time, alerts that fit are kept from people, as of Alertmanager; who asked and why is known.

A silence is made and ended by an order and ends by itself. The alerts it hides are suppressed: their life goes on,
they are stored, and they come back when it ends.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from models.orders import Refused
from models.values import Detection, Order

LIMIT_MS = 7 * 24 * 3_600_000  # longer than works or an event last: then take the rule or the asset out of service
KEPT_MS = 24 * 3_600_000  # an ended silence is listed for so long
MATCHERS = ("pack", "rule", "place", "district", "kind")
TIMES = ("from", "until")
Args = Mapping[str, str | int | float | bool | list[str] | None]


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts with all of ``matchers`` are hidden from ``start`` to ``end`` (processing time, ms)."""

    id: str
    matchers: dict[str, str]  # of MATCHERS
    start: int
    end: int
    by: str
    comment: str
    at: int  # when it was asked for
    ended_by: str = ""

    @property
    def key(self) -> str:
        """Its key among the room's items, and what stands in an alert that it hides."""
        return f"silence/{self.id}"

    def holds(self, now: int) -> bool:
        """Whether it is in force."""
        return self.start <= now < self.end

    def fits(self, detection: Detection) -> bool:
        """Whether it is about this detection."""
        return all(getattr(detection, name) == value for name, value in self.matchers.items())


def find(silences: Mapping[str, Silence], detection: Detection, now: int) -> Silence | None:
    """A silence in force for the detection; the first that was made."""
    return next((one for one in silences.values() if one.holds(now) and one.fits(detection)), None)


def obey(silences: Mapping[str, Silence], order: Order, now: int) -> Silence:
    """The silence that ``order`` makes (``add``) or ends (``end``); raises ``Refused``.

    ``add`` takes at least one of MATCHERS, ``until`` and perhaps ``from`` (ms), and a comment. The id of a new one is
    the order's.
    """
    if order.do == "add":
        return silences.get(order.id) or _made(order, now)
    if order.do == "end":
        return _ended(silences, order, now)
    raise Refused(f"{order.do} is nothing to do with a silence; use add or end", "invalid")


def _made(order: Order, now: int) -> Silence:
    unknown = sorted(order.args.keys() - {*MATCHERS, *TIMES})
    if unknown:
        raise Refused(f"{unknown[0]} is no part of a silence; use {', '.join((*MATCHERS, *TIMES))}", "invalid")
    matchers = {name: str(order.args[name]) for name in MATCHERS if order.args.get(name)}
    if not matchers:
        raise Refused(
            f"a silence without matchers would hide all; give at least one of {', '.join(MATCHERS)}", "invalid"
        )
    if not order.comment.strip():
        raise Refused("a silence needs a comment that says why", "invalid")
    start = _time(order.args, "from", now)
    end = _time(order.args, "until", None)
    if not max(start, now) < end <= start + LIMIT_MS:
        days = LIMIT_MS // 86_400_000
        raise Refused(
            f"until {end} is outside {max(start, now)}..{start + LIMIT_MS}; silence for at most {days} days", "invalid"
        )
    return Silence(
        id=order.id, matchers=matchers, start=start, end=end, by=order.by, comment=order.comment.strip(), at=now
    )  # fmt: skip


def _ended(silences: Mapping[str, Silence], order: Order, now: int) -> Silence:
    silence = silences.get(order.subject)
    if silence is None:
        raise Refused(f"there is no silence {order.subject}", "unknown")
    if silence.end <= now:
        raise Refused(f"silence {silence.id} has ended already", "conflict", "ended", silence.ended_by or silence.by)
    return replace(silence, start=min(silence.start, now), end=now, ended_by=order.by)


def _time(args: Args, name: str, default: int | None) -> int:
    value = args.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refused(f"{name}: {value!r} is no time; give milliseconds since 1970 UTC", "invalid")
    return value
