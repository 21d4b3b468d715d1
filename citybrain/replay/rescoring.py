"""The recorded readings through the live engines once more: for rules that read scores, squares and other detectors.

The engines go on from what was learned before the span (citybrain/replay/states.py) and take the same readings in the
same order, so that with nothing changed they tell what was told.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from citybrain.archive.reader import Archive, shown
from citybrain.replay.changes import Name, Otherwise
from citybrain.replay.recorded_readings import Readings
from citybrain.replay.refusal import Refused
from citybrain.replay.states import State
from citybrain.replay.twins import MARK, Sort, together
from config.layouts import Layouts
from config.site import Site
from models.batch import Batch
from models.city import CityEngine
from models.engine import Engine
from models.partials import Partial, Turn
from models.rules import Rule
from models.values import Detection
from streams.kept import MISFIT
from wall.replay.notice import notice

LEAD_MS = 3_600_000  # judged before the span where nothing need have been learned
AFTER_MS = 600_000  # after the span a claim of it may still become an alert
LEARN_MS = 2 * 86_400_000  # so much must lie before a span whose detectors begin with nothing
Arrays = Mapping[str, NDArray[Any]]
Progress = Callable[[float, str], None]
Dial = Callable[[int], float | None]  # the recorded alerts an hour by the start of a tick, ms


@dataclass(slots=True)
class _Side:
    """The rules as they were, or as they are to be: what they tell; ``engines`` says which of the shards' it hears."""

    sort: Sort
    engines: int
    city: CityEngine | None
    budget: float | None
    found: list[Detection]


class Rescoring:
    """One pass over the readings of ``start`` to ``end`` (ms).

    ``whole``: shards, zones and the alert budget; else only the datastreams of ``properties`` (pack, property), whose
    rules no budget judges. ``state`` is what the engines go on from, None: from nothing.
    """

    def __init__(
        self,
        site: Site,
        other: Otherwise,
        archive: Archive,
        span: tuple[int, int],
        state: State | None,
        properties: Collection[tuple[str, str]] | None,
    ) -> None:
        self._site, self._other, self._state = site, other, state
        self._archive = archive
        self.start, self.end = span
        self._layouts = max((site.layouts, other.site.layouts), key=lambda one: len(one.boxes))
        self._behind_ms = site.city.lateness_ms + 2 * site.city.tick_ms  # by which a tick is closed after its start
        self.whole = properties is None
        self._saved = {} if state is None else {n: state.read(f"shard-{n}") for n in range(site.register.shards)}
        since = {shard: saved[0] for shard, saved in self._saved.items() if saved is not None}
        first = state.time if state is not None else self._begin(properties)
        wanted = None if properties is None else _datastreams(site, properties)
        # by then the ticks of the span are closed, with what came late, and most claims of it have become alerts
        last = self.end + 2 * self._behind_ms + (AFTER_MS if self.whole else 0)
        self.readings = Readings(archive, first, last, since, wanted)
        self.first = first

    def _begin(self, properties: Collection[tuple[str, str]] | None) -> int:
        """From where readings are taken without a state: a little before the span, or all there is to learn from."""
        if properties is not None and not any(_learned(rule, properties) for rule in self._rules()):
            return self.start - LEAD_MS
        there = self._archive.reaches()
        first = self.start if there is None else there[0]
        if self.start - first < LEARN_MS:
            raise Refused("no-state", start=shown(self.start), first=shown(first), days=f"{LEARN_MS // 86_400_000}")
        return first

    def _rules(self) -> Iterator[Rule]:
        for layouts in (self._site.layouts, self._other.site.layouts):
            yield from (rule for rule in layouts.rules if (rule.pack, rule.name) in self._other.touched)

    # --- the pass -------------------------------------------------------------------------------------------------

    def run(self, dial: Dial, budget: float | None, tell: Progress) -> tuple[list[Detection], list[Detection]]:
        """What the rules as they were detect, and what those that are to be; ``budget`` alerts an hour for the latter,
        None: the recorded ones of ``dial``."""
        engines = self._engines()
        sides = self._sides(len(engines) - 1, budget)
        waiting: list[tuple[int, int, int, Partial]] = []  # tick, shard, engines, partial
        reached = dict.fromkeys(self.readings.shards, -1)
        sources = {shard: self.readings.of(shard) for shard in reached}
        done, total = 0, max(1, self.readings.rows)
        while sources:
            shard = min(sources, key=lambda one: reached[one])
            read, batch = next(sources[shard], (0, None))
            if batch is None:
                del sources[shard]
            elif len(batch):
                reached[shard] = int(batch.time.max())
                waiting += self._stepped(engines, sides, shard, batch)
            done += read
            floor = min((at for one, at in reached.items() if one in sources), default=self.end + LEAD_MS)
            waiting = self._pass_on(sides, waiting, floor - self._behind_ms, dial)
            tell(min(1.0, done / total), "scoring the recorded readings")
        self._pass_on(sides, waiting, self.end + LEAD_MS, dial)
        before, after = sides
        return before.found, after.found

    def _stepped(
        self, engines: list[dict[int, Engine]], sides: tuple[_Side, ...], shard: int, batch: Batch
    ) -> Iterator[tuple[int, int, int, Partial]]:
        """A batch through the shard's engines; its partials where the city is judged too."""
        for number, of in enumerate(engines):
            step = of[shard].step(batch)
            for side in sides:
                if side.engines == number:
                    side.found += side.sort.detections(step.detections)
            if self.whole:
                yield from ((one.tick, shard, number, one) for one in step.partials)

    def _pass_on(
        self, sides: tuple[_Side, ...], waiting: list[tuple[int, int, int, Partial]], until: int, dial: Dial
    ) -> list[tuple[int, int, int, Partial]]:
        """Give the cities the partials of the ticks before ``until``, in order; those that still wait."""
        due = sorted((one for one in waiting if one[0] < until), key=lambda one: one[:2])
        for tick, _, number, sums in due:
            per_hour = dial(tick)
            for side in sides:
                if side.engines != number or side.city is None:
                    continue
                asked = side.budget if side.budget is not None else per_hour
                if asked is not None:
                    side.city.turn(Turn(per_hour=asked, by="", at=tick, order=""))
                for closed in side.city.step(side.sort.partial(sums)):
                    side.found += closed.detections
        return [one for one in waiting if one[0] >= until]

    # --- engines and their state ------------------------------------------------------------------------------------

    def _engines(self) -> list[dict[int, Engine]]:
        """The shards' engines: one set for both sides, or one for each where detectors differ."""
        rules = [rule for rule in self._site.layouts.rules if rule.reads == "datastreams"]
        others = [rule for rule in self._other.site.layouts.rules if rule.reads == "datastreams"]
        if not self._other.detectors:
            both = replace(self._layouts, rules=together(rules, others, self._other.touched))
            return [self._of(both if self.whole else _alone(both, self._other.touched))]
        return [self._of(self._site.layouts), self._of(self._other.site.layouts)]

    def _of(self, layouts: Layouts) -> dict[int, Engine]:
        engines = {}
        for shard in self.readings.shards:
            engine = layouts.engine(shard)
            saved = self._saved.get(shard)
            if saved is not None:
                engine = self._restored(engine, partial(layouts.engine, shard), saved[1])
            engines[shard] = engine
        return engines

    def _restored(self, engine: Engine, anew: Callable[[], Engine], arrays: Arrays) -> Engine:
        """The engine as it was; a detector that cannot go on from what another had learned begins with nothing."""
        try:
            engine.restore(arrays)
            return engine
        except MISFIT:
            if not self._other.detectors:
                raise
        if self.start - self.first < LEARN_MS:
            named = ", ".join(".".join(one) for one in sorted(self._other.detectors))
            raise Refused(
                "no-past", value=named, start=shown(self.start), first=shown(self.first),
                days=f"{LEARN_MS // 86_400_000}",
            )  # fmt: skip
        engine = anew()
        engine.restore(_fresh(arrays, engine.snapshot(), self._other.detectors))
        return engine

    def _sides(self, last: int, budget: float | None) -> tuple[_Side, _Side]:
        touched = frozenset() if last else self._other.touched  # engines of their own know no twins
        rules = self._site.layouts.rules, self._other.site.layouts.rules
        cities = [self._city(mine, layouts) for mine, layouts in zip(rules, self._of_city(), strict=True)]
        return (
            _Side(Sort(touched, False), 0, cities[0], None, []),
            _Side(Sort(touched, True), last, cities[1], budget, []),
        )

    def _of_city(self) -> tuple[Layouts, Layouts]:
        """What the zones are judged by, before and after; squares are laid out for whoever asks for them."""
        after = self._other.site.layouts
        return self._layouts, replace(self._layouts, zone_detectors=after.zone_detectors)

    def _city(self, rules: tuple[Rule, ...], layouts: Layouts) -> CityEngine | None:
        if not self.whole:
            return None
        anew = partial(replace(layouts, rules=rules).city_engine, self._site.settings.alerts_per_hour)
        city = anew()
        saved = None if self._state is None else self._state.read("city")
        if saved is not None:
            try:
                city.restore(saved[1])
            except MISFIT as error:
                self._archive.notices.add(notice("zones-anew", at=shown(self.first), why=error))
                return anew()
        return city


def _alone(layouts: Layouts, touched: Collection[Name]) -> Layouts:
    """The layouts with some rules and their twins alone: no budget, no data quality and no zones, which every tick
    would cost."""
    rules = (rule for rule in layouts.rules if (rule.pack, rule.name.removesuffix(MARK)) in touched)
    shards = (replace(one, groups=tuple(replace(group, checks=None) for group in one.groups)) for one in layouts.shards)
    return replace(layouts, rules=tuple(rules), shards=tuple(shards))


def _learned(rule: Rule, properties: Collection[tuple[str, str]]) -> bool:
    """Whether a rule of these datastreams reads what a detector has learned."""
    used = {*rule.fires.meta.root_names(), *rule.ends.meta.root_names()}
    return (rule.pack, rule.property) in properties and (rule.is_scored() or "expected" in used)


def _datastreams(site: Site, properties: Collection[tuple[str, str]]) -> list[int]:
    """The register's integers of some packs' properties."""
    frame = site.register.frame.with_row_index("row")
    named = pl.struct("pack", "property").is_in([{"pack": one, "property": two} for one, two in sorted(properties)])
    found: list[int] = frame.filter(named)["row"].to_list()
    return found


def _fresh(arrays: Arrays, anew: Arrays, detectors: Iterable[tuple[str, str]]) -> dict[str, NDArray[Any]]:
    """The saved arrays with those of some detectors as they begin."""
    prefixes = tuple(f"{kind}{pack}/{name}/" for pack, name in detectors for kind in _KINDS)
    kept = {key: one for key, one in arrays.items() if not key.startswith(prefixes)}
    return kept | {key: np.array(one) for key, one in anew.items() if key.startswith(prefixes)}


_KINDS = ("", "forecasts/profile/", "forecasts/trend/")
