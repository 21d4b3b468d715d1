"""Which readings of a request are taken: checked against the register, all rows at once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from config.register import Register
from models.values import Position
from sensors import units
from sensors.codecs.columns import Columns, Fault
from sensors.codecs.values import SessionNote, Value
from sensors.problems import shown
from sensors.tokens import Gateway

EARLIEST_MS = 631_152_000_000  # 1990-01-01: what is older was sent in seconds, or by a clock that was never set
DEGREES = {"lon": 180.0, "lat": 90.0}


@dataclass(frozen=True, slots=True)
class Checked:
    """The rows that are taken, as columns of shape (taken,), and every row that is not, by its place.

    ``datastream`` is the register's integer, ``time`` ms since 1970-01-01 UTC, ``value`` in the registered unit.
    """

    datastream: NDArray[np.int32]
    time: NDArray[np.int64]
    value: NDArray[np.float64]
    faults: list[Fault]

    def __len__(self) -> int:
        return len(self.datastream)


class Checks:
    """The rules of the register, and of the clock: nothing later than ``tolerance_ms`` from now."""

    def __init__(self, register: Register, tolerance_ms: int) -> None:
        self._tolerance_ms = tolerance_ms
        self.use(register)

    def use(self, register: Register) -> None:
        """Check against this register from now on."""
        self._find = register.index.get
        self._units = register.units
        self._low = register.low
        self._high = register.high
        self._register = register
        self._spoken: dict[Gateway, NDArray[np.bool_]] = {}
        self._kinds: dict[str, set[str]] | None = None

    def __len__(self) -> int:
        return len(self._units)

    def knows(self, datastream: str) -> bool:
        """Whether this datastream is registered."""
        return datastream in self._register.index

    def may_tell(self, gateway: Gateway, value: Value) -> bool:
        """Whether this gateway may tell this event.

        Where its token is bound to assets or kinds it tells of those assets alone; warnings and service requests are of
        none. A connection's own notes are anybody's.
        """
        if not gateway.limited or isinstance(value, SessionNote):
            return True
        if isinstance(value, Position):
            return not gateway.assets or value.unit.startswith(gateway.assets)
        asset = getattr(value, "asset", "")
        return bool(asset) and any(gateway.speaks_for(asset, kind) for kind in self._kinds_of(asset))

    def _kinds_of(self, asset: str) -> set[str]:
        """The kinds of the asset's datastreams; one empty kind where it has none."""
        if self._kinds is None:
            self._kinds = {}
            frame = self._register.frame
            for name, kind in frame.select("asset", "kind").unique().iter_rows():
                self._kinds.setdefault(name, set()).add(kind)
        return self._kinds.get(asset, {""})

    def check(self, columns: Columns, now_ms: int, gateway: Gateway | None = None) -> Checked:
        """Split the rows into those that are taken and those that are not; ``now_ms`` is the gateway's clock.

        ``gateway`` is who sends them, where it may speak for a part of the assets only.
        """
        find = self._find
        datastream = np.array([find(name, -1) for name in columns.datastream], np.int32)
        latest = now_ms + self._tolerance_ms
        columns, foreign = self._converted(columns, datastream)
        failed = self._failed(columns, datastream, latest, foreign)
        if gateway is not None and gateway.limited:
            mute = (datastream >= 0) & ~self._speaks(gateway)[datastream]
            failed |= {row: "scope" for row in np.flatnonzero(mute).tolist()}
        if not failed:
            return Checked(datastream, columns.time, columns.value, columns.faults)
        keep = np.ones(len(columns), bool)
        keep[list(failed)] = False
        faults = [self._fault(columns, row, int(datastream[row]), why, latest, foreign) for row, why in failed.items()]
        faults = sorted(columns.faults + faults, key=lambda fault: fault.index)
        return Checked(datastream[keep], columns.time[keep], columns.value[keep], faults)

    def _failed(
        self, columns: Columns, datastream: NDArray[np.int32], latest: int, foreign: dict[int, str]
    ) -> dict[int, str]:
        """The rows that fail, each with the first rule it breaks."""
        value, time = columns.value, columns.time
        low, high = self._low[datastream], self._high[datastream]
        inside = (value >= low) & (value <= high) & (time <= latest) & (time >= EARLIEST_MS) & (datastream >= 0)
        rules: list[tuple[str, NDArray[np.bool_]]] = []
        if not inside.all():  # NaN and infinity are inside nothing
            rules = [
                ("unknown-datastream", datastream < 0),
                ("not-a-number", ~np.isfinite(value)),
                ("out-of-range", (value < low) | (value > high)),
                ("future", time > latest),
                ("past", time < EARLIEST_MS),
            ]
        if foreign:
            rules.insert(1, ("unit", np.isin(np.arange(len(columns)), list(foreign))))
        sent = {name: getattr(columns, name) for name in DEGREES}
        rules += [(name, np.abs(degrees) > DEGREES[name]) for name, degrees in sent.items() if degrees is not None]
        failed: dict[int, str] = {}
        for rule, rows in rules:
            for row in np.flatnonzero(rows).tolist():
                failed.setdefault(row, rule)
        return failed

    def _speaks(self, gateway: Gateway) -> NDArray[np.bool_]:
        """(datastreams,): for which of them the gateway may speak; found once for each register."""
        if gateway not in self._spoken:
            frame = self._register.frame
            pairs = zip(frame["asset"], frame["kind"], strict=True)
            self._spoken[gateway] = np.array([gateway.speaks_for(asset, kind) for asset, kind in pairs], bool)
        return self._spoken[gateway]

    def _converted(self, columns: Columns, datastream: NDArray[np.int32]) -> tuple[Columns, dict[int, str]]:
        """The columns in the registered units, and why rows of known datastreams could not be converted."""
        if columns.unit is None:
            return columns, {}
        known = self._units
        wanted = [known[number] if number >= 0 else "" for number in datastream.tolist()]
        given = [unit if number >= 0 else None for unit, number in zip(columns.unit, datastream.tolist(), strict=True)]
        value, foreign = units.convert(columns.value, given, wanted)
        return (columns if value is columns.value else replace(columns, value=value)), foreign

    def _fault(
        self, columns: Columns, row: int, datastream: int, rule: str, latest: int, foreign: dict[int, str]
    ) -> Fault:
        index = int(columns.index[row])
        name, value, time = columns.datastream[row], float(columns.value[row]), int(columns.time[row])
        known = f"{self._low[datastream]:g}..{self._high[datastream]:g}"
        match rule:
            case "unknown-datastream":
                reason = f"datastream {shown(name)} is not in the register; register it or mend its id"
                return Fault(index, rule, "datastream", shown(name), "a registered datastream", reason)
            case "not-a-number":
                reason = f"value {value:g} is not finite; leave the reading out when there is none"
                return Fault(index, rule, "value", shown(value), "finite number", reason)
            case "out-of-range":
                reason = f"value {value:g} of {name} is outside {known} {self._units[datastream]}; check the sensor"
                return Fault(index, rule, "value", value, known, reason)
            case "future":
                reason = f"time is {(time - latest + self._tolerance_ms) / 1000:g} s ahead of the gateway, at most "
                reason += f"{self._tolerance_ms / 1000:g} s is taken; set the sender's clock"
                return Fault(index, rule, "time", time, latest, reason)
            case "past":
                reason = f"time {time} ms is before 1990-01-01; send milliseconds, not seconds, or set the clock"
                return Fault(index, rule, "time", time, EARLIEST_MS, reason)
            case "scope":
                reason = f"the token of this gateway may not speak for {name}; ask the city's operator for its assets"
                return Fault(index, rule, "datastream", shown(name), "assets and kinds of the token", reason)
            case "unit":
                unit, want = columns.unit[row] if columns.unit else None, self._units[datastream]
                return Fault(index, rule, "unit", shown(unit), want, f"{name}: {foreign[row]}")
        degrees = float(getattr(columns, rule)[row])
        limit = DEGREES[rule]
        reason = f"{rule} {degrees:g} is outside -{limit:g}..{limit:g} degrees"
        return Fault(index, "position", rule, degrees, f"-{limit:g}..{limit:g}", reason)
