"""Claims of a shard: anomalies of single datastreams that hold, waiting for the city's alert budget.

A claim is opened and ended by a pack's rule as an alert would be; the shard tells all that are open with each tick, and
the city (models/trust.py) decides which become alerts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from models.rules import Rule
from models.values import Detection, Why


class Claim(msgspec.Struct, frozen=True, array_like=True):
    """A rule (its number) that fires at a row of the layout; ``peak`` is the highest score at a tick since."""

    rule: int
    row: int
    detection: Detection
    peak: float


@dataclass(slots=True)
class Claims:
    """The claims that are open, by rule and row."""

    held: dict[tuple[int, int], Claim]

    def note(self, rule: int, row: int, detection: Detection) -> None:
        """The rule fired or ended there."""
        if detection.state == "firing":
            self.held[rule, row] = Claim(rule, row, detection, detection.score or 0.0)
        else:
            self.held.pop((rule, row), None)

    def broken(self, fault: NDArray[np.uint8]) -> list[tuple[int, int]]:
        """The claims (rule, row) of datastreams that have a fault; they are let go."""
        gone = [(rule, row) for rule, row in self.held if fault[row]]
        for key in gone:
            del self.held[key]
        return gone

    def told(self, mark_ms: int, score: NDArray[np.float32], neighbours: dict[int, tuple[int, int]]) -> list[Claim]:
        """All open claims as they stand at ``mark_ms``; ``score`` (n,) is the last of each datastream, ``neighbours``
        says of the claims' rows how many there are and how many of them are strange."""
        for key, claim in self.held.items():
            near, strange = neighbours[claim.row]
            found = claim.detection
            why = replace(found.why or Why(), neighbours=near, strange=strange, lasted_ms=max(mark_ms - found.onset, 0))
            peak = max(claim.peak, float(np.nan_to_num(score[claim.row])))
            self.held[key] = Claim(claim.rule, claim.row, replace(found, why=why), peak)
        return [self.held[key] for key in sorted(self.held)]

    def snapshot(self) -> NDArray[np.uint8]:
        """All claims as bytes."""
        return np.frombuffer(msgspec.json.encode([self.held[key] for key in sorted(self.held)]), np.uint8).copy()

    def restore(self, saved: NDArray[np.uint8], rules: Sequence[Rule]) -> None:
        """Take over what ``snapshot`` gave; claims of rules that exist no more are let go."""
        number = {(rule.pack, rule.name): at for at, rule in enumerate(rules)}
        self.held = {}
        for claim in msgspec.json.decode(saved.tobytes(), type=list[Claim]):
            at = number.get((claim.detection.pack, claim.detection.rule))
            if at is not None:
                self.held[at, claim.row] = replace(claim, rule=at)
