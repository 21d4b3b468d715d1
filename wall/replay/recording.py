"""What a session needs of the archive; citybrain/replay/recording.py reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.values import Text
from wall.replay.notice import Notice

MarkKind = Literal["alert", "incident", "command", "plan"]


class ReplayError(ValueError):
    """The session cannot be had; the message names the value, the limit and the remedy."""


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants to see again: a span of phenomenon time (ms), or the one of an incident."""

    start: int
    end: int
    speed: float = 60.0
    incident: str = ""
    by: str = ""
    made: int = 0  # ms


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at ``at`` (phenomenon time, ms), for the slider; ``level`` 1 to 4, 0 for none."""

    at: int
    kind: MarkKind
    level: int
    subject: str  # id of the alert, of the incident …
    title: Text
    did: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class Shot:
    """Everything that was shown at ``at``: JSON as it was in the live picture, by id.

    ``value`` (datastreams,) float32 and ``time_s`` (datastreams,) int64 are the last readings, NaN and 0 for none.
    """

    at: int
    doing: int  # the room's clock then, ms
    value: NDArray[np.float32]
    time_s: NDArray[np.int64]
    alerts: Mapping[str, bytes] = field(default_factory=dict)
    incidents: Mapping[str, bytes] = field(default_factory=dict)
    units: Mapping[str, bytes] = field(default_factory=dict)  # where they were when their status last changed
    zones: bytes | None = None
    ahead: bytes | None = None
    watch: bytes | None = None
    history: Sequence[bytes] = ()  # newest first


class Recording(Protocol):
    """A span of the archive, opened."""

    start: int
    end: int
    step_ms: int  # the city's tick

    @property
    def notices(self) -> Sequence[Notice]:
        """What could not be read."""

    def shot(self, at: int, coarse: bool = False) -> Shot:
        """What was shown at ``at`` (ms); ``coarse`` may be a minute behind, for fast play. Called in a thread."""

    def marks(self) -> Sequence[Mark]:
        """What happened, by time."""

    def alert(self, key: str, at: int) -> bytes | None:
        """One alert's JSON as it was at ``at``."""

    def incident(self, key: str, at: int) -> bytes | None:
        """One incident's JSON as it was at ``at``."""


Open = Callable[[Ask], Recording]  # raises ReplayError; called in a thread
