"""A small shard to try things on: six datastreams of three properties, in three series."""

from __future__ import annotations

import numpy as np

from models import detectors
from models.calendar import UTC
from models.engine import Engine
from models.layout import Group, Place, ShardLayout
from models.rules import Rule
from models.values import Text

TICK_MS = 5_000
LATENESS_MS = 10_000
MEMBERS = np.array([2, 3, 5, 7, 8, 11], np.int32)  # register integers; 0, 1, 4, 6 … belong to another shard
SERIES_OF = ((0, 1), (0, 1), (0, 2), (0,), (), (1, 2))  # of each datastream
GROUPS = (
    Group("test", "people", "1", detectors.get("running-level", {"ready": 2, "floor": 1.0})),
    Group("test", "water", "m", detectors.get("seasonal-baseline", {"ready": 2, "counts": False, "floor": 0.5})),
)
GROUP = np.array([0, 0, 0, 1, 1, -1], np.int16)  # the last is watched by nobody
HEADLINE = Text("{place}: {value}", "{place}：{value}")


def rule(
    name: str,
    expr: str,
    clear: str,
    property: str = "people",
    for_s: float = 0,
    clear_for_s: float = 0,
    watch: float = 0,
) -> Rule:
    """A rule on datastreams of the pack ``test``; delays in seconds."""
    return Rule(
        pack="test",
        name=name,
        reads="datastreams",
        property=property,
        expr=expr,
        clear=clear,
        severity="Minor",
        headline=HEADLINE,
        for_ms=round(for_s * 1_000),
        clear_for_ms=round(clear_for_s * 1_000),
        watch=watch,
    )


RULES = (
    rule("Crowd", "value >= 50", "value < 20"),
    rule("Surge", "score >= 2 AND value > expected", "score < 1", watch=1),
    rule("Lasting", "score >= 1", "score < 1", for_s=10, clear_for_s=10, watch=1),
    rule("Water", "value >= 10 AND hour >= 0", "value < 5", property="water", for_s=5),
)


def layout() -> ShardLayout:
    """The layout of the shard, number 3 of the city."""
    lengths = [len(series) for series in SERIES_OF]
    return ShardLayout(
        shard=3,
        members=MEMBERS,
        group=GROUP,
        groups=GROUPS,
        low=np.zeros(len(MEMBERS)),
        high=np.full(len(MEMBERS), 1_000.0),
        indptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        indices=np.array([s for series in SERIES_OF for s in series], np.int32),
        series=3,
        places=[Place(f"asset-{m}", Text(f"Place {m}", f"地点{m}"), 104.0, 30.6, "jinjiang") for m in MEMBERS.tolist()],
        tick_ms=TICK_MS,
        lateness_ms=LATENESS_MS,
    )


def engine(rules: tuple[Rule, ...] = RULES) -> Engine:
    """An engine of the shard, nothing seen."""
    return Engine(layout(), rules, UTC)
