"""The alert budget: so many alerts an hour, spent on the strangest claims; the rest is on the watch list.

With 95,000 datastreams a fixed line cries by the hundred. Here the operator turns one dial, alerts an hour (EEMUA 191:
an operator can deal with about 6), and the line follows: it is the score that as many events of the last day passed as
the day's budget has alerts; in the first hour there is an hour's budget. One datastream is one event for
``REFRACTORY_MS``. Whatever the line says, no hour has more than ``BURST`` times the budget.

Methods that control the share of false discoveries instead (Benjamini and Hochberg, 1995; LORD++, SAFFRON) need
p-values far smaller than 67 million readings a week can resolve, and give no promise of alerts an hour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
WINDOW_MS = 24 * HOUR_MS
REFRACTORY_MS = 30 * MINUTE_MS
BURST = 2.0  # an hour may have so many times its share, or a real evening would wait for the night
MOST_AN_HOUR = 1_000.0  # the dial's end
MOST = 30_000  # events kept, more than a day of the dial's end; the lowest leave first


class Event(msgspec.Struct, frozen=True, array_like=True):
    """A datastream's strangest claim within the refractory time; ``alerted`` is when it became an alert, or None."""

    datastream: int
    onset: int
    score: float
    alerted: int | None = None


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """The controller's state: a value; ``judge`` gives the next one. ``events`` are in order of their onset."""

    line: float = 0.0
    began: int | None = None
    events: tuple[Event, ...] = ()

    def spent(self, now: int) -> int:
        """How many alerts the last hour had."""
        return sum(event.alerted is not None and now - event.alerted < HOUR_MS for event in self.events)


def judge(
    budget: Budget, claims: Sequence[tuple[int, float]], now: int, per_hour: float
) -> tuple[Budget, frozenset[int]]:
    """Which of the ``claims`` (datastream, score) become alerts at ``now`` (ms) with ``per_hour`` alerts an hour.

    Claims that wait may be judged again at each tick: they stay one event. ``per_hour`` may change from call to call.
    The strangest are served first.
    """
    budget = _moved(budget, now)
    events = {event.datastream: event for event in budget.events if now - event.onset < REFRACTORY_MS}
    old = [event for event in budget.events if now - event.onset >= REFRACTORY_MS]
    for datastream, score in claims:
        running = events.get(datastream, Event(datastream, now, score))
        events[datastream] = replace(running, score=max(score, running.score))
    line = _line([*old, *events.values()], now - (budget.began or 0), per_hour)
    left = math.ceil(BURST * per_hour) - budget.spent(now)
    alerts = set()
    for datastream, score in sorted(claims, key=lambda claim: (-claim[1], claim[0])):
        event = events[datastream]
        if event.alerted is None and score > line and left > 0:
            events[datastream] = replace(event, alerted=now)
            alerts.add(datastream)
            left -= 1
    kept = sorted([*old, *events.values()], key=lambda event: (event.onset, event.datastream))
    return replace(budget, line=line, events=tuple(kept)), frozenset(alerts)


def _moved(budget: Budget, now: int) -> Budget:
    """The budget at ``now``: what is older than the window leaves."""
    events = tuple(event for event in budget.events if now - event.onset <= WINDOW_MS)
    if len(events) > MOST:
        least = sorted((event.score for event in events), reverse=True)[MOST - 1]
        events = tuple(event for event in events if event.score >= least or event.alerted is not None)
    return replace(budget, began=now if budget.began is None else budget.began, events=events)


def _line(events: Sequence[Event], elapsed_ms: int, per_hour: float) -> float:
    """The score to pass: 0 while there are fewer events than alerts to spend, infinite where none may be spent."""
    if per_hour <= 0:
        return math.inf
    hours = min(max(elapsed_ms / HOUR_MS, 1.0), WINDOW_MS / HOUR_MS)
    allowed = int(per_hour * hours)
    scores = sorted((event.score for event in events), reverse=True)
    return scores[allowed] if allowed < len(scores) else 0.0
