"""What a pack says about the faults of its sensors: nothing, for the usual checks, or which to leave out or to tune."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, cast

import msgspec

from models.detectors import get
from models.detectors.silent import Silent
from models.detectors.stuck import Stuck
from models.soundness import Checks, checks


class QualityKey(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The key ``quality`` of a datastream: each check true, false, or the parameters that differ from the usual.

    ``zeros`` left out: where the detector counts.
    """

    stuck: dict[str, Any] | bool = True
    silent: dict[str, Any] | bool = True
    zeros: bool | None = None
    copies: bool = True


def declared(key: QualityKey | bool, cadence_ms: int, counts: bool) -> Checks | None:
    """The checks of a property with one reading each ``cadence_ms``; None where they are switched off.

    Raises ``BadParameter`` or ``TypeError`` for parameters that no check takes.
    """
    if key is False:
        return None
    usual = checks(cadence_ms, counts)
    if key is True:
        return usual
    stuck = cast("Stuck | None", _tuned(usual.stuck, key.stuck))
    zeros = usual.zeros if key.zeros is None else key.zeros
    return Checks(
        cadence_ms,
        stuck,
        cast("Silent | None", _tuned(usual.silent, key.silent)),
        usual.copies if key.copies else None,
        zeros and stuck is not None,
    )


def _tuned(usual: Any, key: dict[str, Any] | bool) -> Any:
    """The usual detector with what the pack says otherwise; None where it is switched off."""
    if isinstance(key, bool):
        return usual if key else None
    return get(usual.name, {**asdict(usual), **key})
