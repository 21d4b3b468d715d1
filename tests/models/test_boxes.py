"""Boxes: sums by prefix sums, those worth looking at, the strangest without overlaps."""

from __future__ import annotations

import numpy as np
import pytest

from models import boxes
from models.boxes import Boxes, Grid
from models.layout import Place
from models.values import Text

GRID = Grid(104.0, 30.0, 0.01, 0.009, 6, 7)
HERE = Place("jinjiang", Text("Jinjiang", "锦江区"), 104.0, 30.0, "jinjiang")


def town(members: dict[int, int]) -> Boxes:
    """Boxes over cells with so many members."""
    cells = np.array(sorted(members), np.int32)
    number = np.array([members[cell] for cell in cells.tolist()], np.int64)
    return Boxes("people", "1", GRID, np.arange(len(cells), dtype=np.int32), cells, number, [HERE] * len(cells))


def test_sums_are_those_of_the_cells() -> None:
    """Every box's sum is the sum of its cells, one by one."""
    rng = np.random.default_rng(1)
    cells = rng.choice(42, 30, replace=False)
    some = town({int(cell): int(rng.integers(5, 40)) for cell in cells})
    values = rng.normal(0, 10, 30)
    flat = np.zeros(42)
    flat[some.cells] = values
    whole = flat.reshape(6, 7)
    slow = [
        whole[row : row + size, column : column + size].sum()
        for row, column, size in zip(some.row, some.column, some.size, strict=True)
    ]
    assert len(some) > 20
    np.testing.assert_allclose(some.sums(values), slow, atol=1e-9)


def test_small_boxes_and_those_that_add_nothing_are_not_looked_at() -> None:
    """The smallest boxes around one crowded cell are looked at, the larger that hold no more are not, nor a box of few
    datastreams."""
    some = town({8: 40, 30: boxes.LEAST - 1})
    found = [(int(r), int(c), int(s)) for r, c, s in zip(some.row, some.column, some.size, strict=True)]
    assert [one for one in found if one[2] == 2] == [(0, 0, 2), (0, 1, 2), (1, 0, 2), (1, 1, 2)]
    assert all(
        members > 40.0 for members, size in zip(some.members.tolist(), some.size.tolist(), strict=True) if size > 2
    )


def test_the_strangest_are_told_without_overlaps() -> None:
    """Of boxes that share cells the strangest stays; one far away is told beside it; what is taken is not."""
    some = town(dict.fromkeys(range(42), 20))
    score = np.zeros(len(some), np.float32)

    def number(row: int, column: int, size: int) -> int:
        return int(np.flatnonzero((some.row == row) & (some.column == column) & (some.size == size))[0])

    score[number(1, 1, 2)], score[number(0, 0, 3)], score[number(4, 5, 2)] = 9.0, 8.0, 7.0
    everything = np.ones(len(some), bool)
    assert some.strongest(score, everything, 6.0) == [number(1, 1, 2), number(4, 5, 2)]
    assert some.strongest(score, some.apart(number(1, 1, 2)), 6.0) == [number(4, 5, 2)]
    assert some.strongest(score, everything, 9.5) == []


def test_a_box_is_a_place() -> None:
    """Its middle, its width and its district are told; a circle around the middle reaches it, one far off does not."""
    some = town(dict.fromkeys(range(42), 20))
    box = int(np.flatnonzero((some.row == 1) & (some.column == 2) & (some.size == 2))[0])
    place = some.place(box)
    assert (place.lon, place.lat) == pytest.approx((104.03, 30.018))
    assert place.id == "people-box-1-2-2"
    assert place.name == Text("2 km around 30.018, 104.030, Jinjiang", "锦江区30.018, 104.030 周边 2 公里")
    assert place.district == "jinjiang"
    assert some.near(place.lon, place.lat, 1.0)[box]
    assert not some.near(place.lon + 0.05, place.lat, 500.0)[box]


def test_a_grid_holds_its_points_and_is_never_too_large() -> None:
    """Cells are about half a kilometre; NaN is in no cell; one point on the other side of the world is left out."""
    rng = np.random.default_rng(2)
    lon, lat = rng.uniform(104.0, 104.2, 5_000), rng.uniform(30.6, 30.8, 5_000)
    made = boxes.grid(lon, lat)
    assert (made.cell(lon, lat) >= 0).all()
    assert 38 * 44 <= made.rows * made.columns <= 41 * 47
    assert made.cell(np.array([np.nan, 0.0]), np.array([30.7, 30.7])).tolist() == [-1, -1]
    far = boxes.grid(np.append(lon, -120.0), np.append(lat, -40.0))
    assert far.rows * far.columns <= boxes.MOST_CELLS
    assert (far.cell(lon, lat) >= 0).mean() > 0.99


def test_no_points_no_boxes() -> None:
    """A city without datastreams of a kind has an empty grid and no boxes."""
    nothing = boxes.grid(np.zeros(0), np.zeros(0))
    some = Boxes("people", "1", nothing, np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.int64), [])
    assert len(some) == 0
    assert some.sums(np.zeros(0)).tolist() == []
