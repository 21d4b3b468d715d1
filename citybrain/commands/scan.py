"""``citybrain scan``: clusters of cases in space, or in space and time, from two CSV files."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress, TimeRemainingColumn
from rich.table import Table

from citybrain.commands.scan_baseline import KINDS, PER, Baseline, Counts, baseline, choose, longest
from citybrain.commands.scan_dates import KINDS as PERIODS
from citybrain.commands.scan_dates import Periods, number_of
from citybrain.commands.scan_input import (
    Alerts,
    Cases,
    Float64,
    Places,
    ScanError,
    few,
    read_alerts,
    read_cases,
    read_places,
)
from models.scan.chance import replicates
from models.scan.circles import Circles, circles
from models.scan.clusters import Cluster, Scan, scan
from models.scan.expected import at_large
from models.scan.naming import inside, words
from models.scan.prospective import NEVER, Prospective, Settings

MODELS, DISTANCES = ("poisson", "space-time"), ("euclid", "great-circle")
NEIGHBOURS = 50  # of a circle in space and time, unless told
CELLS = 50_000_000  # place-periods that are held at once
REACH = 20_000_000  # neighbours that are held at once
DRAWS = ((20_000, 9_999), (5_000_000, 999))  # up to so many zones, so many replicates unless told
FEW = 99  # replicates of larger scans
SMALL = 100_000  # zones below which threads would only wait for each other
HISTORY = 365  # periods before the longest cluster from which is learned
WIDTH = 140  # of the tables where no terminal says how wide it is
FEWEST = 9  # replicates
LIKELY = 0.05  # the p-value that is shown as significant


@dataclass(frozen=True, slots=True)
class Options:
    """How to scan; None is decided by what the files tell."""

    model: str = "poisson"
    max_population: float | None = None
    distance: str = "euclid"
    neighbours: int | None = None
    days: int | None = None
    period: str | None = None
    until: str | None = None
    baseline: str = "auto"
    baseline_per: str = "auto"
    overdispersion: str = "auto"
    replicates: int | None = None
    seed: int = 1
    clusters: int = 10
    alerts: Path | None = None

    def __post_init__(self) -> None:
        for option, value, known in (
            ("model", self.model, MODELS),
            ("distance", self.distance, DISTANCES),
            ("period", self.period, (None, *PERIODS)),
            ("baseline", self.baseline, ("auto", *KINDS)),
            ("baseline-per", self.baseline_per, PER),
        ):
            if value not in known:
                raise ScanError(f"--{option} {value!r} is none of {', '.join(one for one in known if one)}")
        for name, number, least in (
            ("neighbours", self.neighbours, 1),
            ("days", self.days, 1),
            ("replicates", self.replicates, FEWEST),
            ("clusters", self.clusters, 1),
            ("seed", self.seed, 0),
        ):
            if number is not None and number < least:
                raise ScanError(f"--{name} {number} is less than {least}")
        if self.max_population is not None and not 0.0 < self.max_population <= 1.0:
            raise ScanError(f"--max-population {self.max_population} is no share; use more than 0, up to 1")
        self.k()

    def k(self) -> float | None:
        """The overdispersion that is told; None: it is learned."""
        if self.overdispersion == "auto":
            return None
        try:
            number = float(self.overdispersion)
        except ValueError:
            number = -1.0
        if not 0.0 <= number < 1e6:
            raise ScanError(f"--overdispersion {self.overdispersion!r} is neither auto nor a number from 0 to 1e6")
        return number


def run(case_file: Path, place_file: Path, options: Options, as_json: bool = False) -> int:
    """Scan the cases for clusters of places and print them, the most likely first; exit code 0.

    Raises ``ScanError`` or ``DateError``, each naming file, line, what is there and what is needed.
    """
    places = read_places(place_file)
    if options.distance == "great-circle" and not places.degrees:
        raise ScanError(f"{place_file} has x,y; --distance great-circle needs lon,lat in degrees")
    cases = read_cases(case_file, places, options.period, dated=options.model == "space-time")
    alerts = read_alerts(options.alerts, places.degrees) if options.alerts else None
    if cases.periods and options.until is not None:
        cases = cases.until(number_of(options.until, cases.periods, "--until"))
        if not len(cases.place):
            raise ScanError(f"{case_file} has no rows up to {options.until}; the scan is of what came before")
    work = _Work(places, cases, options)
    told = work.spatial() if options.model == "poisson" else work.space_time()
    names = _Names(places, cases, work.circles, alerts)
    result = _result(told, names, options) | work.said
    if not as_json:
        _show(told, names)
    for line in work.notes:
        print(line, file=sys.stderr)
    if as_json:
        print(json.dumps(result, ensure_ascii=False))
    return 0


class _Work:
    """One scan: what is known, and what is said of it (``said`` in the JSON, ``notes`` on standard error)."""

    def __init__(self, places: Places, cases: Cases, options: Options) -> None:
        self.places, self.cases, self.options = places, cases, options
        self.said: dict[str, Any] = {}
        self.notes: list[str] = []
        self.circles: Circles
        self._fed = NEVER

    def spatial(self) -> Scan:
        """All cases together, by place (Kulldorff 1997)."""
        weight = self.places.baseline if self.places.baseline is not None else self.places.population
        if weight is None:
            raise ScanError("--model poisson needs a column population or baseline in the places; give one")
        counts = self._table(np.zeros_like(self.cases.period), 0, 1).table
        strange = np.flatnonzero((counts.sum(axis=(1, 2)) > 0) & (weight <= 0.0)).tolist()
        if strange:
            names = few([self.places.ids[place] for place in strange])
            raise ScanError(f"{names} have cases but population or baseline 0; no case can be where nobody is")
        held = self.places.population if self.places.population is not None else weight
        self._draw(self.options.neighbours or len(weight), held, self.options.max_population or 0.5)
        told = scan(self.circles, at_large(counts, weight), counts, np.array([1]), 0, self.options.clusters)
        with _progress() as step:
            return self._judged(told, step)

    def space_time(self) -> Scan:
        """What is emerging at the end of the cases (Neill 2009), with past scans where there are."""
        assert self.cases.periods is not None
        periods = self.cases.periods
        first, latest = int(self.cases.period.min()), int(self.cases.period.max())
        if self.options.until is not None:
            latest = number_of(self.options.until, periods, "--until")
        counts = self._table(self.cases.period, first, latest - first + 1)
        base, days = self._baseline(counts, periods)
        monitor = self._monitor(base, counts, days)
        begin = max(first + days - 1 + monitor.settings.ready, latest - monitor.settings.memory)
        with _progress() as step:
            for at in step(range(begin, latest), "past scans"):
                self._feed(monitor, at)
                if base.scannable[at - first - days + 1 : at - first + 1].all():
                    monitor.scan(at)
            self._feed(monitor, latest)
            scans, told = monitor.past_scans, monitor.scan(latest)
            assert told is not None  # as many periods are there as the longest cluster and the past need
            k = {name: float(one) for name, one in zip(self.cases.streams, told.expected.k, strict=True)}
            self.said |= {"baseline": base.kind, "period": periods.kind, "days": days, "past_scans": scans}
            self.said |= {"overdispersion": k}
            self.notes.append(
                f"expected cases: {base.why}; {scans} past scans; clusters of up to {days} {periods.kind}s"
            )
            return self._judged(told, step)

    def _baseline(self, counts: Counts, periods: Periods) -> tuple[Baseline, int]:
        """What is expected, and how long a cluster may have lasted."""
        options = self.options
        kind = choose(options.baseline, self.places, self.cases, counts.periods, options.days)
        days = longest(kind, counts.periods, options.days)
        if options.days is not None and days < options.days:
            self.notes.append(f"--days {options.days}: there are {days} {periods.kind}s, all are scanned")
        if periods.why:
            self.notes.append(f"counted by the {periods.kind}: {periods.why}; --period day counts by the day")
        k = options.k()
        spread = None if k is None else np.full(len(self.cases.streams), k)
        base = baseline(kind, self.places, self.cases, counts, days, spread, options.baseline_per)
        if not base.scannable[-days:].all():
            raise ScanError(base.gap)
        return base, days

    def _monitor(self, base: Baseline, counts: Counts, days: int) -> Prospective:
        """The stream that the cases are pushed through, as an agent would."""
        weight = self.places.population if self.places.population is not None else self.places.baseline
        weight = counts.table.sum(axis=(1, 2)) + 0.5 if weight is None else weight
        share = self.options.max_population or (1.0 if base.kind in ("given", "trend") else 0.5)
        self._draw(self.options.neighbours or NEIGHBOURS, weight, share)
        before = min(counts.periods - days, HISTORY)
        lasted = tuple(range(1, days + 1))
        settings = Settings(lasted, before, min(base.ready, before), self.options.clusters)
        return Prospective(self.circles, len(self.cases.streams), settings, base.expect)

    def _feed(self, monitor: Prospective, until: int) -> None:
        """Push the rows up to the period ``until`` that were not pushed before."""
        rows = np.flatnonzero((self.cases.period > self._fed) & (self.cases.period <= until))
        cases = self.cases
        monitor.add(cases.place[rows], cases.period[rows], cases.count[rows], cases.stream[rows])
        self._fed = until

    def _table(self, period: np.ndarray[Any, np.dtype[np.int64]], first: int, periods: int) -> Counts:
        """The counts by place, stream and period."""
        shape = (len(self.places.ids), len(self.cases.streams), periods)
        if int(np.prod(shape, dtype=np.float64)) > CELLS:
            assert self.cases.periods is not None
            ends = f"{self.cases.periods.name(first)} to {self.cases.periods.name(first + periods - 1)}"
            raise ScanError(
                f"{shape[0]} places x {shape[1]} categories x {periods} {self.cases.periods.kind}s ({ends}) are more "
                f"than {CELLS:,} cells; check the dates, or use a longer --period"
            )
        table = np.zeros(shape, np.int64)
        np.add.at(table, (self.cases.place, self.cases.stream, period - first), self.cases.count)
        return Counts(table, first)

    def _draw(self, neighbours: int, weight: Float64, share: float) -> None:
        """Draw the circles."""
        places = len(self.places.ids)
        count = min(neighbours, places, max(REACH // places, 1))
        made = circles(
            self.places.points, count, "great-circle" if self.options.distance == "great-circle" else "euclid"
        )
        self.circles = made.held(weight, share)
        if count < min(neighbours, places) and (self.circles.size == count).any():
            self.notes.append(f"circles hold at most {count} of {places} places; more do not fit in memory")
        ends = made.closed & (np.arange(count) < self.circles.size[:, None])
        if not ends.any():
            self.notes.append(f"nothing to scan: every circle holds more than {share:g} of the population")
        elif alone := int((self.circles.size == 0).sum()):
            who = "1 place holds" if alone == 1 else f"{alone} places hold"
            self.notes.append(f"{who} more than {share:g} of the population: no circle around it")

    def _judged(self, told: Scan, step: Any) -> Scan:
        """The scan with p-values by replicates."""
        zones = int(self.circles.size.sum()) * len(told.durations) * len(told.found)
        count = self.options.replicates or next((draws for most, draws in DRAWS if zones <= most), FEW)
        threads = len(os.sched_getaffinity(0)) if zones > SMALL else 1
        rng = np.random.default_rng(self.options.seed)
        drawn = replicates(self.circles, told.expected, told.durations, count, rng, threads)
        maxima = np.array(list(step(drawn, "replicates", count)))
        self.said |= {"replicates": count, "seed": self.options.seed}
        return told.ranked(maxima)


class _Names:
    """What clusters are told with."""

    def __init__(self, places: Places, cases: Cases, drawn: Circles, alerts: Alerts | None) -> None:
        self.places, self.cases, self.circles, self.alerts = places, cases, drawn, alerts

    def told(self, cluster: Cluster) -> dict[str, Any]:
        """The cluster as JSON has it."""
        periods = self.cases.periods
        first, last = cluster.first, cluster.last
        if periods and first == 0 == last:  # purely spatial: all of the file
            first, last = int(self.cases.period.min()), int(self.cases.period.max())
        point = self.places.points[cluster.centre].tolist()
        found = {
            "places": [self.places.ids[place] for place in cluster.places.tolist()],
            "from": periods.name(first) if periods else None,
            "to": periods.name(last) if periods else None,
            "cases": cluster.cases,
            "expected": cluster.expected,
            "llr": cluster.llr,
            "p": cluster.p,
            "p_gumbel": cluster.p_gumbel,
            "p_replicates": cluster.p_chance,
            "p_past": cluster.p_past,
            "centre": dict(zip(("lon", "lat") if self.places.degrees else ("x", "y"), point, strict=True)),
            "radius": cluster.radius,
        }
        if len(self.cases.streams) > 1:
            found["categories"] = [
                {"category": self.cases.streams[part.stream], "cases": part.cases}
                | {"expected": part.expected, "llr": part.llr}
                for part in cluster.parts
            ]
        if self.cases.text is not None:
            found["words"] = self._words(cluster, first, last)
        if self.alerts is not None:
            found["alerts"] = [self.alerts.names[row] for row in inside(cluster, self.circles, self.alerts.points)]
        return found

    def _words(self, cluster: Cluster, first: int, last: int) -> list[str]:
        """The words of the requests that make the cluster, against all others."""
        assert self.cases.text is not None
        streams = [part.stream for part in cluster.parts]
        here = np.isin(self.cases.place, cluster.places) & np.isin(self.cases.stream, streams)
        if self.cases.periods:
            here &= (self.cases.period >= first) & (self.cases.period <= last)
        texts = list(zip(self.cases.text, here.tolist(), strict=True))
        return words([text for text, near in texts if near], [text for text, near in texts if not near])


def _result(told: Scan, names: _Names, options: Options) -> dict[str, Any]:
    """What ``--json`` prints."""
    result: dict[str, Any] = {"clusters": [names.told(cluster) for cluster in told.found[0]]}
    if len(told.found) > 1:
        result["categories"] = {
            stream: [names.told(cluster) for cluster in clusters]
            for stream, clusters in zip(names.cases.streams, told.found[1:], strict=True)
        }
    return result | {"model": options.model, "distance": options.distance, "cases": int(names.cases.count.sum())}


def _show(told: Scan, names: _Names) -> None:
    """The clusters as tables on standard output; of a category alone only those that are significant."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    if not told.found[0]:
        console.print("No zone has more cases than expected.")
        return
    console.print(_shown("Clusters", told.found[0], names))
    for stream, clusters in zip(names.cases.streams, told.found[1:], strict=False):
        if likely := tuple(cluster for cluster in clusters if _significant(cluster)):
            console.print(_shown(f"Clusters of {stream} alone, p up to {LIKELY}", likely, names))


def _shown(title: str, clusters: tuple[Cluster, ...], names: _Names) -> Table:
    """The clusters as a table, the significant ones in bold."""
    table = Table(title=title)
    for column in ("places", "from", "to", "cases", "expected", "llr", "p", "what"):
        table.add_column(column, justify="right" if column in ("cases", "expected", "llr", "p") else "left")
    for cluster in clusters:
        table.add_row(*_row(names.told(cluster)), style="bold" if _significant(cluster) else None)
    return table


def _significant(cluster: Cluster) -> bool:
    return cluster.p is not None and cluster.p <= LIKELY


def _row(told: dict[str, Any]) -> list[str]:
    """A cluster in words."""
    listed = told["places"]
    shown = ", ".join(listed[:5]) + (f" and {len(listed) - 5} more" if len(listed) > 5 else "")
    what = (
        [part["category"] for part in told.get("categories", [])[:3]] + told.get("words", []) + told.get("alerts", [])
    )
    p = "" if told["p"] is None else f"{told['p']:.4f}"
    figures = [str(told["cases"]), f"{told['expected']:.2f}", f"{told['llr']:.6f}", p]
    return [shown, told["from"] or "", told["to"] or "", *figures, ", ".join(what)]


@contextmanager
def _progress() -> Iterator[Any]:
    """A progress bar for long work on a terminal."""
    console = Console(stderr=True)
    columns = (*Progress.get_default_columns()[:3], TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        yield lambda work, what, total=None: bar.track(work, total=total, description=what)
