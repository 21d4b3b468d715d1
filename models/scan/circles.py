"""Circles around places: the nearest neighbours of each, in order, and where a circle may end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from geo.distance import RADIUS_M

Distance = Literal["euclid", "great-circle"]
Int32 = NDArray[np.int32]
Float64 = NDArray[np.float64]

SAME = 1e-9  # a share of the distance: closer together than this two places are equally far
BITS = 10  # of each coordinate along the curve
BLOCK = 2_000_000  # neighbours sought at once


@dataclass(frozen=True, eq=False)
class Circles:
    """Every circle around a place that holds its nearest neighbours, as SaTScan draws them.

    ``order`` (places, K) int32: each place's nearest neighbours, itself among them, nearest first; ``radius`` (places,
    K) float64: how far they are, in metres (great-circle) or in the units of the coordinates (euclid); ``closed``
    (places, K) bool: whether a circle may end with this neighbour, for places that are equally far come in together;
    ``size`` (places,) int64: how many neighbours a circle around the place holds at most.
    """

    points: Float64
    distance: Distance
    order: Int32
    radius: Float64
    closed: NDArray[np.bool_]
    size: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.order)

    @cached_property
    def tree(self) -> cKDTree:
        """The index of the places."""
        return cKDTree(_space(self.points, self.distance))

    def nearest(self, points: Float64) -> Int32:
        """(n,) the place nearest to each of the points (n, 2)."""
        return np.asarray(self.tree.query(_space(np.asarray(points, np.float64), self.distance))[1], np.int32)

    @cached_property
    def curve(self) -> NDArray[np.intp]:
        """(places,) the places along a Z-order curve (Morton 1966), on which neighbours are mostly close."""
        low, high = self.points.min(axis=0), self.points.max(axis=0)
        cell = ((self.points - low) / np.maximum(high - low, 1e-300) * (2**BITS - 1)).astype(np.int64)
        bits = np.arange(BITS)
        woven = (((cell[:, :, None] >> bits) & 1) << (2 * bits)).sum(axis=2)
        return np.argsort(woven[:, 0] + 2 * woven[:, 1], kind="stable")

    def along(self, rank: NDArray[np.intp]) -> Circles:
        """The same circles, the places in the order of ``rank``: searching those that lie together is quicker."""
        back = np.empty(len(self), np.int32)
        back[rank] = np.arange(len(self), dtype=np.int32)
        drawn = back[self.order[rank]], self.radius[rank], self.closed[rank], self.size[rank]
        return Circles(self.points[rank], self.distance, *drawn)

    def held(self, weight: Float64, share: float) -> Circles:
        """The circles that hold at most ``share`` of the ``weight`` (places,), such as half of the population.

        A place that alone holds more has no circle around it.
        """
        most = share * float(weight.sum()) * (1.0 + 1e-12)
        size = np.empty(len(self), np.int64)
        for rows in _blocks(*self.order.shape):
            size[rows] = (np.cumsum(weight[self.order[rows]], axis=1) <= most).sum(axis=1)
        return Circles(self.points, self.distance, self.order, self.radius, self.closed, np.minimum(size, self.size))

    def zones(self) -> int:
        """How many different sets of places the circles are."""
        seen = set()
        for place in range(len(self)):
            for end in np.flatnonzero(self.closed[place, : self.size[place]]).tolist():
                seen.add(np.sort(self.order[place, : end + 1]).tobytes())
        return len(seen)


def circles(points: Float64, neighbours: int, distance: Distance = "euclid") -> Circles:
    """The circles around ``points`` (places, 2), of up to ``neighbours`` places each, the centre counted.

    ``great-circle`` takes the points as longitude and latitude in degrees, ``euclid`` any two coordinates as they are.
    """
    points = np.asarray(points, np.float64)
    if neighbours < 1:
        raise ValueError(f"{neighbours} neighbours are no circle; use at least 1, the place itself")
    count = min(neighbours, len(points))
    space = _space(points, distance)
    tree = cKDTree(space)
    order = np.empty((len(points), count), np.int32)
    radius = np.empty((len(points), count))
    closed = np.ones((len(points), count), np.bool_)
    for rows in _blocks(len(points), count + 1):
        found = tree.query(space[rows], k=np.arange(1, min(count + 1, len(points)) + 1))
        far, near = np.asarray(found[0], np.float64), np.asarray(found[1], np.int64)
        again = np.lexsort((near, far), axis=-1)  # equally far: in the order of the places
        far, near = np.take_along_axis(far, again, 1), np.take_along_axis(near, again, 1)
        order[rows], radius[rows] = near[:, :count], far[:, :count]
        following = far[:, 1:]
        closed[rows, : following.shape[1]] = following > far[:, : following.shape[1]] * (1.0 + SAME)
    if distance == "great-circle":
        radius = 2.0 * RADIUS_M * np.arcsin(np.minimum(radius / 2.0, 1.0))
    return Circles(points, distance, order, radius, closed, np.full(len(points), count, np.int64))


def _space(points: Float64, distance: Distance) -> Float64:
    """The points where straight lines order as ``distance`` does: the plane, or the unit sphere (n, 3)."""
    if distance == "euclid":
        return points
    lon, lat = np.radians(points[:, 0]), np.radians(points[:, 1])
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)


def _blocks(places: int, width: int) -> Iterator[slice]:
    """Rows that are worked on at once, so that memory stays small."""
    step = max(BLOCK // max(width, 1), 1)
    for start in range(0, places, step):
        yield slice(start, start + step)
