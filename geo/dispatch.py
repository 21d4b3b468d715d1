"""Which unit goes where: the nearest candidates, and several units to several incidents at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geo.travel import GreatCircle, Travel

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

AVAILABLE = "available"
NORMAL_90 = 1.2815515655446004  # the 90 % point of the normal distribution


@dataclass(frozen=True)
class Unit:
    """A crew, truck or patrol. ``capacity`` counts against an incident's ``demand``, in the same unit of measure."""

    id: str
    lon: float
    lat: float
    skills: frozenset[str] = frozenset()
    capacity: float = 1.0
    status: str = AVAILABLE


@dataclass(frozen=True)
class Incident:
    """A place that needs units: each with all of ``skills``, together of capacity ``demand``, within ``limit_s``.

    The lower ``priority`` is served first (0 is the most urgent).
    """

    id: str
    lon: float
    lat: float
    skills: frozenset[str] = frozenset()
    demand: float = 1.0
    priority: int = 0
    limit_s: float = np.inf


@dataclass(frozen=True)
class Eta:
    """Time until arrival in seconds: in one of ten cases sooner than ``p10_s``, in one of ten later than ``p90_s``."""

    p10_s: float
    p50_s: float
    p90_s: float


@dataclass(frozen=True)
class Uncertainty:
    """What is not known of an arrival: the time to set off, and the spread of driving times.

    Driving times spread about their median by a factor whose logarithm is normal with deviation ``spread``; 0.3 means
    that one drive in ten takes longer than 1.47 times the median.
    """

    turnout_s: float = 60.0
    spread: float = 0.3

    def eta(self, driving_s: float) -> Eta:
        """The arrival after so many typical seconds of driving."""
        factor = float(np.exp(NORMAL_90 * self.spread))
        return Eta(self.turnout_s + driving_s / factor, self.turnout_s + driving_s, self.turnout_s + driving_s * factor)


@dataclass(frozen=True)
class Sent:
    """A unit that goes to an incident."""

    incident: str
    unit: str
    eta: Eta


@dataclass(frozen=True)
class Unserved:
    """An incident of whose demand ``missing`` is not met, and why."""

    incident: str
    missing: float
    reason: str


@dataclass(frozen=True, eq=False)
class _Matrix:
    """Incidents by units: ``driving`` seconds, who has the ``skilled`` hands, who is ``free``, who is in ``time``."""

    driving: Float64
    skilled: Bool
    free: Bool  # (units,)
    in_time: Bool

    @property
    def suitable(self) -> Bool:
        return self.skilled & self.free[None, :] & self.in_time


def nearest(
    incident: Incident,
    units: Sequence[Unit],
    count: int = 5,
    travel: Travel | None = None,
    uncertainty: Uncertainty | None = None,
) -> list[Sent]:
    """The ``count`` suitable units that arrive first, the soonest first; ties go by the units' order."""
    doubt = uncertainty or Uncertainty()
    matrix = _matrix([incident], units, travel or GreatCircle(), doubt)
    rows = np.flatnonzero(matrix.suitable[0])
    first = rows[np.argsort(matrix.driving[0, rows], kind="stable")][:count]
    return [Sent(incident.id, units[row].id, doubt.eta(float(matrix.driving[0, row]))) for row in first]


def assign(
    units: Sequence[Unit],
    incidents: Sequence[Incident],
    travel: Travel | None = None,
    uncertainty: Uncertainty | None = None,
) -> tuple[list[Sent], list[Unserved]]:
    """Units to incidents so that as many as possible are served and the driving is least; and who is left, and why.

    Priorities are served one after the other. Within one, each incident gets its first unit before any gets its
    second, until its demand is met or no suitable unit is left.
    """
    doubt = uncertainty or Uncertainty()
    matrix = _matrix(incidents, units, travel or GreatCircle(), doubt)
    capacity = np.array([unit.capacity for unit in units], np.float64)
    missing = np.array([incident.demand for incident in incidents], np.float64)
    left = np.ones(len(units), bool)
    sent: list[Sent] = []
    for priority in sorted({incident.priority for incident in incidents}):
        mine = np.array([incident.priority == priority for incident in incidents], bool)
        while (pairs := _round(matrix, np.flatnonzero(mine & (missing > 0)), np.flatnonzero(left))) is not None:
            for row, unit in zip(*pairs, strict=True):
                sent.append(Sent(incidents[row].id, units[unit].id, doubt.eta(float(matrix.driving[row, unit]))))
            missing[pairs[0]] -= capacity[pairs[1]]
            left[pairs[1]] = False
    open_rows = np.flatnonzero(missing > 0)
    return sent, [
        Unserved(incidents[row].id, float(missing[row]), reason)
        for row, reason in zip(
            open_rows.tolist(), _reasons(matrix, open_rows, units, incidents, missing, doubt), strict=True
        )
    ]


def _round(matrix: _Matrix, rows: Any, columns: Any) -> tuple[Any, Any] | None:
    """One unit for each of the incidents ``rows`` from the units ``columns``, as far as they go; None: none goes.

    Serving anyone is worth more than any driving; a pair that does not suit is worth nothing and dropped.
    """
    if not len(rows) or not len(columns):
        return None
    here = np.ix_(rows, columns)
    suits, driving = matrix.suitable[here], matrix.driving[here]
    if not suits.any():
        return None
    from scipy.optimize import linear_sum_assignment  # here: it takes 30 MB, and few processes send units

    worth = driving[suits].max() * min(len(rows), len(columns)) + 1.0
    a, b = linear_sum_assignment(np.where(suits, driving - worth, 0.0))
    good = suits[a, b]
    return rows[a[good]], columns[b[good]]


def _matrix(incidents: Sequence[Incident], units: Sequence[Unit], travel: Travel, doubt: Uncertainty) -> _Matrix:
    lon, lat = _places(incidents)
    unit_lon, unit_lat = _places(units)
    if len(units) and len(incidents):
        driving = np.asarray(travel.seconds(unit_lon, unit_lat, lon, lat)).T
    else:
        driving = np.zeros((len(incidents), len(units)))
    reachable = np.isfinite(driving)
    driving = np.where(reachable, driving, 0.0)  # the assignment cannot work with infinities
    names = sorted({skill for incident in incidents for skill in incident.skills})
    have = np.array([[skill in unit.skills for skill in names] for unit in units], bool).reshape(len(units), len(names))
    need = np.array([[skill in incident.skills for skill in names] for incident in incidents], bool)
    lacking = need.reshape(len(incidents), len(names)).astype(np.int32) @ (~have).astype(np.int32).T
    limit = np.array([incident.limit_s for incident in incidents], np.float64)
    in_time = reachable & (driving + doubt.turnout_s <= limit[:, None])
    driving = np.where(reachable, driving, np.nan)
    free = np.array([unit.status == AVAILABLE for unit in units], bool)
    return _Matrix(driving, lacking == 0, free, in_time)


def _places(things: Sequence[Unit] | Sequence[Incident]) -> tuple[Float64, Float64]:
    """Lon and lat (things,); raises ``ValueError`` for one without a place."""
    lon, lat = np.array([(thing.lon, thing.lat) for thing in things], np.float64).reshape(-1, 2).T
    wrong = np.flatnonzero(~(np.isfinite(lon) & (np.abs(lat) <= 90)))
    if len(wrong):
        thing = things[wrong[0]]
        raise ValueError(f"{type(thing).__name__.lower()} {thing.id} has no place: lon {thing.lon}, lat {thing.lat}")
    return lon, lat


def _reasons(
    matrix: _Matrix,
    rows: NDArray[np.intp],
    units: Sequence[Unit],
    incidents: Sequence[Incident],
    missing: Float64,
    doubt: Uncertainty,
) -> list[str]:
    """Why the incidents ``rows`` are not served, in the order in which a unit can fail to suit."""
    skilled = matrix.skilled[rows].sum(axis=1)
    free = (matrix.skilled[rows] & matrix.free).sum(axis=1)
    suitable = matrix.suitable[rows].sum(axis=1)
    reasons = []
    for at, row in enumerate(rows.tolist()):
        incident = incidents[row]
        skills = f"the skills {' and '.join(sorted(incident.skills))}" if incident.skills else "no special skills"
        if not units:
            reasons.append("there are no units")
        elif not skilled[at]:
            reasons.append(f"no unit has {skills}")
        elif not free[at]:
            states = Counter(units[u].status for u in np.flatnonzero(matrix.skilled[row]).tolist())
            listed = ", ".join(f"{count} {status}" for status, count in states.most_common())
            reasons.append(f"{skilled[at]} units have {skills}, none is available: {listed}")
        elif not suitable[at]:
            reasons.append(_too_far(matrix, row, units, incident, doubt))
        elif missing[row] < incident.demand:
            reasons.append(
                f"{incident.demand - missing[row]:g} of {incident.demand:g} is covered; no suitable unit is left"
            )
        else:
            reasons.append(f"all {suitable[at]} suitable units are sent to incidents as urgent or more urgent")
    return reasons


def _too_far(matrix: _Matrix, row: int, units: Sequence[Unit], incident: Incident, doubt: Uncertainty) -> str:
    able = np.flatnonzero(matrix.skilled[row] & matrix.free & np.isfinite(matrix.driving[row]))
    if not len(able):
        return "no available unit has a way to it"
    first = int(able[np.argmin(matrix.driving[row, able])])
    takes = (matrix.driving[row, first] + doubt.turnout_s) / 60
    limit = incident.limit_s / 60
    return f"the first suitable unit, {units[first].id}, takes {takes:.0f} min; the limit is {limit:.0f} min"
