"""What a detector is: the protocol that every file in this folder follows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Uint8 = NDArray[np.uint8]

State = dict[str, NDArray[Any]]
"""What a detector remembers: named plain arrays; the first axis is the datastream, but for what all share."""


CHANNELS = ("none", "spike", "shift", "long-shift", "record", "stuck", "silent")
"""What speaks loudest in a score, by its number: one reading; the mean of the last few; that of some hours; beyond
everything seen before; a value that stays; nothing that comes."""

SEASONS = (
    "none", "workday", "weekend", "holiday",
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
)  # fmt: skip
"""The kinds of day whose profile a reading was compared with, by their number."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What a detector says of a batch; every column has the shape (readings,).

    ``score``: surprise, -log10 of the probability of a reading at least as far out, 0 or more; NaN for a gap, 0 until
    enough was seen. ``expected`` and the 90 % band ``low``..``high`` are in the value's unit (NaN for a gap or
    where the detector expects nothing); value - expected gives the direction. ``channel`` and ``season`` are uint8:
    where in ``CHANNELS`` and ``SEASONS`` stands what spoke loudest and what the reading was compared with, 0 for
    nothing.
    """

    score: Float32
    expected: Float32
    low: Float32
    high: Float32
    channel: Uint8
    season: Uint8


class Detector(Protocol):
    """An online detector over many datastreams with a state that is plain arrays.

    However a stream of readings is cut into batches, scores and state are the same bit for bit. A NaN or infinite
    value is a gap: it scores NaN and leaves the state as it was.
    """

    name: str

    def start(self, n: int) -> State:
        """The state of ``n`` datastreams of which nothing was seen."""
        ...

    def step(
        self, state: State, rows: Int32, time_ms: Int64, value: Float64, day_kind: Uint8, local_ms: Int64
    ) -> tuple[State, Scores]:
        """Score the readings one after the other, each before it is learned; all columns are (readings,).

        ``rows`` says which datastream each reading is of and may repeat. The state is updated in place and
        returned; the columns are only read.
        """
        ...

    def snapshot(self, state: State) -> State:
        """A copy of the state that can be saved with ``np.savez``."""
        ...

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> State:
        """The state in a snapshot, bit for bit; raises ``BadState`` when it is not one of this detector's."""
        ...


@runtime_checkable
class Neighbourly(Protocol):
    """A detector that takes from each datastream what all its neighbours show together."""

    def among(self, state: State, groups: Int32) -> State:
        """The state with each datastream in its group of neighbours (n,), numbers from 0 on, -1 for none."""
        ...


class BadState(ValueError):
    """The arrays are no state of this detector with these parameters; the message says which and how."""


class BadParameter(ValueError):
    """A detector or parameter that does not exist or a value out of its limits; the message names the known ones."""


def copied(
    arrays: Mapping[str, NDArray[Any]],
    like: State,
    detector: str,
    shared: Collection[str] = (),
    grouped: Collection[str] = (),
) -> State:
    """Own copies of ``arrays``, checked to have the names, types and shapes of ``like``.

    The first axis is free, but the same for all except those that are ``shared`` by the datastreams, which have none
    of it, and those that are ``grouped``.
    """
    if set(arrays) != set(like):
        raise BadState(f"state of {detector} needs the arrays {sorted(like)}, not {sorted(arrays)}; start anew")
    for name, want in like.items():
        have, first = arrays[name], 0 if name in shared else 1
        if have.dtype != want.dtype or have.ndim != want.ndim or have.shape[first:] != want.shape[first:]:
            raise BadState(
                f"array {name} of {detector} is {have.dtype}{have.shape}, these parameters need "
                f"{want.dtype}{want.shape}; start anew or use the parameters it was saved with"
            )
    lengths = {name: len(array) for name, array in arrays.items() if name not in (*shared, *grouped)}
    if len(set(lengths.values())) > 1:
        raise BadState(f"arrays of {detector} differ in datastreams: {lengths}; all must agree")
    return {name: np.array(arrays[name], order="C", copy=True) for name in like}
