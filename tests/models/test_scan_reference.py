"""The two published results: New York leukemia by SaTScan 9.6, New Mexico brain cancer by scanstatistics."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from models.scan.chance import gumbel, rank, replicates
from models.scan.circles import circles
from models.scan.clusters import scan
from models.scan.expected import at_large, given
from models.scan.trend import trend

DATA = Path(__file__).parents[3] / "shared/data/scan-reference"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the reference data lie only beside the repository")

NEW_YORK = (
    [49, 48, 50, 47, 1, 15, 51, 2, 13, 14, 3, 35, 16, 52, 36, 37, 12, 11, 5, 17, 10, 4, 6, 38, 18, 9],
    [89, 88, 87, 84, 90, 86, 92, 85],
)


def rows(name: str) -> list[dict[str, str]]:
    """The rows of a file."""
    with (DATA / name).open() as lines:
        return list(csv.DictReader(lines))


def test_new_york_leukemia() -> None:
    """Purely spatial Poisson, circles of up to 10 % of the population: both clusters, LLR to 6 decimals."""
    tracts = rows("NYleukemia_nydf.csv")
    points = np.array([(float(row["longitude"]), float(row["latitude"])) for row in tracts])
    people = np.array([float(row["population"]) for row in tracts])
    cases = np.array([math.floor(float(row["cases"])) for row in tracts])[:, None, None]
    drawn = circles(points, len(points)).held(people, 0.1)
    told = scan(drawn, at_large(cases, people), cases, np.array([1]), 0)
    drawn_by_chance = replicates(drawn, told.expected, told.durations, 999, np.random.default_rng(9), 2)
    first, second = told.ranked(np.array(list(drawn_by_chance))).found[0][:2]
    for cluster, members in zip((first, second), NEW_YORK, strict=True):
        assert [int(tracts[place]["id"]) for place in cluster.places.tolist()] == members
    assert (first.cases, round(first.expected, 2), round(first.llr, 6)) == (85, 49.71, 11.577255)
    assert (second.cases, round(second.expected, 2), round(second.llr, 6)) == (38, 17.79, 9.019716)
    assert first.p is not None and first.p <= 0.005  # published 0.0010, the least that 999 replicates can give
    assert second.p == pytest.approx(0.013, abs=0.012)  # three standard errors of 999 replicates


def test_new_mexico_brain_cancer() -> None:
    """Prospective expectation-based Poisson, 1986-89 against a regression on 1973-85: 415 zones, score, members, p."""
    by_year = rows("NM_popcas.csv")
    counties = sorted({row["county"] for row in by_year})
    seats = {row["county"]: (float(row["seat_long"]), float(row["seat_lat"])) for row in rows("NM_geo.csv")}
    cases, people = np.zeros((len(counties), 19), np.int64), np.zeros((len(counties), 19))
    for row in by_year:
        at = counties.index(row["county"]), int(row["year"]) - 1973
        cases[at], people[at] = int(row["count"]), float(row["population"])
    drawn = circles(np.array([seats[county] for county in counties]), 15, "great-circle")
    assert drawn.zones() == 415
    mean = trend(cases[:, :13], people[:, :13], people[:, 13:17])[:, None]
    window = cases[:, None, 13:17]
    told = scan(drawn, given(mean), window, np.arange(1, 5), 1989)
    top = told.found[0][0]
    assert {counties[place] for place in top.places.tolist()} == {"losalamos", "santafe"}
    assert (top.first, top.last, top.cases, round(top.expected, 2)) == (1986, 1989, 43, 20.66)
    assert round(top.llr, 6) == 9.180617
    maxima = np.concatenate(list(replicates(drawn, told.expected, told.durations, 4_999, np.random.default_rng(2))))
    assert rank(top.llr, maxima) == pytest.approx(0.005, abs=0.004)
    assert round(gumbel(maxima).p(top.llr), 3) == pytest.approx(0.004, abs=0.001)
