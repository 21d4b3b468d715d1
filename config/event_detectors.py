"""What may judge events before rules see them, each with its parameters (docs/packs-format.md)."""

from __future__ import annotations

from typing import Annotated

import msgspec

from config.pack_words import Duration


class SpaceTimeScan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Clusters of events in space and time (models/scan): more than chance has, around one place, of late."""

    period: Duration = "10m"  # one step of time
    durations: Annotated[tuple[int, ...], msgspec.Meta(min_length=1)] = (1, 2, 3, 6, 12, 24)  # lengths, in periods
    history: Duration = "2d"  # what is usual is learned from so much
    places: Annotated[int, msgspec.Meta(ge=1, le=5000)] = (
        400  # into how many patches the city is cut, small where dense
    )
    neighbours: Annotated[int, msgspec.Meta(ge=1, le=500)] = 30  # patches in the largest cluster
    p: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.05  # clusters less probable by chance become events


KINDS: dict[str, type[msgspec.Struct]] = {"space-time-scan": SpaceTimeScan}
