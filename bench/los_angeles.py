"""Los Angeles, 27 December 2017 to 4 January 2018: clusters of service requests, and how many chance alone gives.

Each day from 1 January on is scanned as it would have been that night: neighbourhood councils, their nearest
neighbours, durations of up to three days, the days before as the past, categories together and each alone. The null
keeps every request's council and category and permutes the days within each category: places and days are then
independent, all that is found is chance. Raw Poisson ratios, whose replicates know of no dispersion, run beside it.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from bench.machine import machine
from models.scan.chance import replicates
from models.scan.circles import Circles, circles
from models.scan.clusters import Scan, scan
from models.scan.expected import Expected, by_past

DATA = Path(__file__).parents[2] / "shared/data/la-311"
FILES = ("requests_20171227_20171231.csv.gz", "requests_20180101_20180104.csv.gz")
BOUNDARIES = "la_neighborhood_councils.geojson.gz"
LEAST = 100  # requests of a category that is scanned alone; the rest are one category
FIRST, LONGEST, NEIGHBOURS = (
    5,
    3,
    25,
)  # the first night scanned (0: 27 December), days of a cluster, councils of a circle
DRAWS = 99  # replicates a scan; p by Gumbel's law through them, the tail of which 99 ranks do not reach
NULLS = 20
LIKELY = 0.05

Requests = tuple[Any, Any, Any]
"""(council, category, day) of each request, int64."""


def main(as_json: bool = False) -> int:
    """Scan, and scan the nulls; prints one JSON object as the last line, without ``as_json`` the clusters too."""
    if not DATA.exists():
        print(f"{DATA} is not there: this benchmark needs the shared data", file=sys.stderr)
        return 1
    names, points, days, categories, requests = read()
    drawn = circles(points, min(NEIGHBOURS, len(names)), "great-circle")
    rng = np.random.default_rng(311)
    shape = len(names), len(categories), len(days)
    found = [
        told(cluster, view, names, days, categories)
        for one in nights(drawn, table(requests, shape), rng, raw=False)
        for view, clusters in enumerate(one.found)
        for cluster in clusters
        if (cluster.p_gumbel or 0.0) < LIKELY
    ]
    plain = likely(nights(drawn, table(requests, shape), rng, raw=True))
    nulls: dict[str, list[Counter[str]]] = {"scan": [], "raw": []}
    for _ in range(NULLS):
        counts = table(permuted(requests, rng), shape)
        nulls["scan"].append(likely(nights(drawn, counts, rng, raw=False)))
        nulls["raw"].append(likely(nights(drawn, counts, rng, raw=True)))
    result: dict[str, Any] = {
        "requests": len(requests[0]),
        "councils": len(names),
        "categories": len(categories),
        "nights": len(days) - FIRST,
        "clusters": found,
        "found": dict(Counter("together" if one["view"] == "together" else "alone" for one in found)),
        "found_raw_poisson": dict(plain),
        "null": mean(nulls["scan"]),
        "null_raw_poisson": mean(nulls["raw"]),
        "null_runs": NULLS,
        "machine": machine(),
    }
    if not as_json:
        for one in found:
            print(json.dumps(one), file=sys.stderr)
    print(json.dumps(result))
    return 0


def read() -> tuple[list[str], Any, list[str], list[str], Requests]:
    """Councils with a point inside each, days, categories, and the requests that name a council.

    By the council's number, not by the coordinates: these are missing for whole districts on single days.
    """
    with gzip.open(DATA / BOUNDARIES) as file:
        features = json.load(file)["features"]
    names = [feature["properties"]["name"] for feature in features]
    rank = {int(feature["properties"]["nc_id"]): row for row, feature in enumerate(features)}
    middles = shapely.point_on_surface([shapely.from_geojson(json.dumps(feature["geometry"])) for feature in features])
    points = np.column_stack([shapely.get_x(middles), shapely.get_y(middles)])
    rows = [row for name in FILES for row in _rows(DATA / name) if row["nc"] and int(float(row["nc"])) in rank]
    kinds = Counter(row["requesttype"] for row in rows)
    categories = [*sorted(kind for kind, count in kinds.items() if count >= LEAST and kind != "Other"), "Other"]
    days = sorted({row["createddate"][:10] for row in rows})
    council = [rank[int(float(row["nc"]))] for row in rows]
    category = [categories.index(row["requesttype"] if row["requesttype"] in categories else "Other") for row in rows]
    day = [days.index(row["createddate"][:10]) for row in rows]
    return names, points, days, categories, (np.array(council), np.array(category), np.array(day))


def _rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path) as file:
        return list(csv.DictReader(io.TextIOWrapper(file, "utf-8")))


def table(requests: Requests, shape: tuple[int, int, int]) -> Any:
    """(councils, categories, days) counts."""
    counts = np.zeros(shape, np.int64)
    np.add.at(counts, requests, 1)
    return counts


def permuted(requests: Requests, rng: np.random.Generator) -> Requests:
    """The requests with their days permuted within each category."""
    council, category, day = requests
    mixed = day.copy()
    for kind in np.unique(category):
        rows = np.flatnonzero(category == kind)
        mixed[rows] = day[rng.permutation(rows)]
    return council, category, mixed


def nights(drawn: Circles, counts: Any, rng: np.random.Generator, raw: bool) -> Iterable[Scan]:
    """The scan of each night, with p-values; ``raw``: as if counts were Poisson and expectations exact."""
    for night in range(FIRST, counts.shape[2]):
        longest = min(LONGEST, night)
        window, past = counts[:, :, night - longest + 1 : night + 1], counts[:, :, : night - longest + 1]
        expected = by_past(past, window)
        if raw:
            none = np.zeros(counts.shape[1])
            expected = Expected(expected.mean, none, np.full(counts.shape[:2], np.inf), conditioned=False)
        durations = np.arange(1, longest + 1)
        told = scan(drawn, expected, window, durations, night)
        yield told.ranked(np.array(list(replicates(drawn, expected, durations, DRAWS, rng))))


def likely(scans: Iterable[Scan]) -> Counter[str]:
    """How many clusters have p < LIKELY, of all categories together, of each alone, and on how many nights at all."""
    counted: Counter[str] = Counter({"together": 0, "alone": 0, "nights": 0})
    for one in scans:
        hits = [[cluster for cluster in view if (cluster.p_gumbel or 0.0) < LIKELY] for view in one.found]
        counted["together"] += len(hits[0])
        counted["alone"] += sum(map(len, hits[1:]))
        counted["nights"] += bool(hits[0])
    return counted


def mean(runs: list[Counter[str]]) -> dict[str, float]:
    """The mean of each count over the runs."""
    return {name: round(sum(run[name] for run in runs) / len(runs), 2) for name in runs[0]}


def told(cluster: Any, view: int, names: list[str], days: list[str], categories: list[str]) -> dict[str, Any]:
    """A cluster in words."""
    return {
        "view": "together" if view == 0 else categories[view - 1],
        "councils": [names[place] for place in cluster.places.tolist()],
        "from": days[cluster.first],
        "to": days[cluster.last],
        "cases": cluster.cases,
        "expected": round(cluster.expected, 1),
        "llr": round(cluster.llr, 2),
        "p": float(f"{cluster.p_gumbel:.2g}"),
        "makes": [[categories[part.stream], part.cases, round(part.expected, 1)] for part in cluster.parts[:3]],
    }


if __name__ == "__main__":
    sys.exit(main("--json" in sys.argv))
