"""Notifications: which route takes what, when it may speak, how it is tried again, and what a new incident is told as.

A route is one way out of the room: a group in WeCom, DingTalk or Feishu, a mailbox, a webhook, a journal file. Where it
leads and its secrets are not here (config/notifications.py, streams/notifier.py): this is the pure part.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec
import numpy as np

from models.calendar import DAY_MS, Calendar
from models.escalation import COLOUR, notification_id
from models.values import SEVERITIES, Incident, Notification, Severity

MINUTE_MS = 60_000
BACKOFF_S = (1.0, 60.0)  # pause after the first failure, doubled each time, and the longest


class Quiet(msgspec.Struct, frozen=True, kw_only=True):
    """Local minutes of the day from ``start`` to ``end`` in which a route waits, over midnight where end < start."""

    start: int
    end: int


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One way out of the room; ``severities`` are those that it takes, ``incidents`` whether it hears of new ones."""

    route: str
    via: Literal["apprise", "webhook", "journal"]
    severities: tuple[Severity, ...] = SEVERITIES
    incidents: bool = False
    quiet: Quiet | None = None
    attempts: int = 8


class Failed(msgspec.Struct, frozen=True):
    """A notification that no attempt could bring out, as the store's list of failures keeps it."""

    notification: Notification
    attempts: int
    error: str
    at: int


def takes(route: Route, notification: Notification) -> bool:
    """Whether the route wants a notification of this severity; what is urgent it always takes."""
    return notification.urgent or notification.severity in route.severities


def held_until(route: Route, notification: Notification, calendar: Calendar, now: int) -> int:
    """The moment (ms) from which the route may send it: ``now``, or the end of its quiet hours.

    What is urgent does not wait.
    """
    quiet = route.quiet
    if quiet is None or notification.urgent:
        return now
    local = int(calendar.local(np.array([now], np.int64))[0])
    minute = local % DAY_MS // MINUTE_MS
    into = (minute - quiet.start) % 1440
    length = (quiet.end - quiet.start) % 1440
    if into >= length:
        return now
    return now - local % MINUTE_MS + (length - into) * MINUTE_MS


def pause_s(failures: int) -> float:
    """How long to wait after so many failures in a row, in seconds."""
    first, longest = BACKOFF_S
    return min(longest, first * 2.0 ** (failures - 1))


def opened(incident: Incident, routes: Iterable[Route], now: int) -> tuple[Notification, ...]:
    """What the routes that hear of new incidents are told of this one; the same ids however often it is asked."""
    told = ((route, _opened(incident, route, now)) for route in routes if route.incidents)
    return tuple(notification for route, notification in told if takes(route, notification))


def trial(route: str, by: str, now: int) -> Notification:
    """The message of the test button; each press is a message of its own."""
    return Notification(
        id=notification_id("trial", route, by, str(now)),
        route=route,
        at=now,
        title="citybrain 测试消息 / test message",
        body=f"{by} 测试通知渠道 {route}。无需处置。\n{by} tests the route {route}. Nothing is to be done.",
        severity="Minor",
        urgent=True,
    )


def _opened(incident: Incident, route: Route, now: int) -> Notification:
    colour = COLOUR[incident.severity]
    return Notification(
        id=notification_id("opened", incident.id, route.route),
        route=route.route,
        at=now,
        title=f"{colour.zh}：{incident.title.zh} / {colour.en}: {incident.title.en}",
        body=f"{incident.place_name.zh}\n{incident.place_name.en}\nincident {incident.id}",
        severity=incident.severity,
        urgent=incident.severity == "Extreme",
        incident=incident.id,
        exercise=incident.exercise,
    )
