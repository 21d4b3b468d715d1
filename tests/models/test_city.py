"""The engine of the city: ticks close when all shards are in or after the grace, each partial counts once."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models import detectors, rules
from models.batch import Malformed
from models.boxes import Boxes, Grid
from models.calendar import UTC
from models.city import CityEngine, Tick
from models.layout import Place, Series
from models.partials import Partial
from models.rules import Rule
from models.values import Text, to_json

TICK, GRACE = 5_000, 15_000
START = 1_790_000_000_000


def place(name: str) -> Place:
    """A zone's place."""
    return Place(name, Text(name, name), 104.0, 30.6, "jinjiang")


SERIES = (
    Series(place("chengdu"), "city", "people", "1", 10, math.nan, math.nan),
    Series(place("jinjiang"), "district", "people", "1", 6, math.nan, 2e6),
    Series(place("stadium"), "venue", "people", "1", 4, 200.0, 1e3),
)


def rule(name: str, expr: str, clear: str = "value < 1", **more: Any) -> Rule:
    """A rule on the zones."""
    headline = Text("{place}: {value} people, {percent} % full, {ratio} times", "{place}：{value} 人")
    return Rule("test", name, "zones", "people", expr, clear, "Severe", headline, **more)


RULES = (
    rule("Full", "occupancy >= 0.9", "occupancy < 0.5", for_ms=TICK, clear_for_ms=TICK),
    rule("Twice", "ratio >= 2 AND zone_kind = 'venue'", "ratio < 1.5"),
)


def engine(shards: int = 2, some: tuple[Rule, ...] = RULES, series: tuple[Series, ...] = SERIES) -> CityEngine:
    """A city of three series, nothing seen."""
    judges = {"people": detectors.get("running-level", {"ready": 4})}
    return CityEngine(series, some, judges, UTC, shards, TICK, GRACE)


def partial(shard: int, tick: int, *value: float, expected: tuple[float, ...] = ()) -> Partial:
    """What a shard knows of tick number ``tick``: of each series its sum and, where given, what was expected."""
    values = np.array(value, np.float64)
    count = (values > 0).astype(np.float64)
    known = count if expected else np.zeros(len(values))
    return Partial(
        shard, START + tick * TICK, 1_000 + tick, count, values, known, values * known,
        np.array(expected or [0.0] * len(values)) * known, np.zeros(len(values)),
    )  # fmt: skip


def numbers(ticks: list[Tick]) -> list[int]:
    """The numbers of the ticks."""
    return [(tick.start - START) // TICK for tick in ticks]


def column(tick: Tick, name: str) -> list[Any]:
    """A column of the tick's frame."""
    return tick.frame[name].to_list()


def test_a_tick_closes_when_all_shards_are_in() -> None:
    """The second of two partials closes the tick with their sums."""
    city = engine()
    assert city.step(partial(0, 0, 10, 10, 0)) == []
    (tick,) = city.step(partial(1, 0, 5, 0, 5))
    assert (tick.start, tick.accepted) == (START, 1_000)
    assert column(tick, "series") == [0, 1, 2]
    assert column(tick, "value") == [15, 10, 5]


def test_a_silent_shard_holds_the_others_up_for_the_grace_and_no_longer() -> None:
    """Ticks wait three ticks for the missing shard, then close without it, oldest first."""
    city = engine()
    told = [numbers(city.step(partial(0, n, 1, 1, 0))) for n in range(6)]
    assert told == [[], [], [], [0], [1], [2]]


def test_ticks_close_in_order() -> None:
    """A complete tick waits for the incomplete one before it; then both close, the older first."""
    city = engine()
    assert city.step(partial(0, 0, 1, 1, 0)) == []
    assert city.step(partial(0, 1, 1, 1, 0)) == []
    assert city.step(partial(1, 1, 1, 0, 1)) == []
    assert numbers(city.step(partial(1, 0, 1, 0, 1))) == [0, 1]


def test_a_partial_sent_again_is_counted_once() -> None:
    """A shard that starts again repeats its partials; the sums do not change."""
    city = engine()
    city.step(partial(0, 0, 10, 10, 0))
    assert city.step(partial(0, 0, 10, 10, 0)) == []
    (tick,) = city.step(partial(1, 0, 5, 0, 5))
    assert column(tick, "value") == [15, 10, 5]
    assert city.late == 0


def test_a_late_partial_is_counted_and_left_out() -> None:
    """What comes for a closed tick changes nothing."""
    city = engine()
    for n in range(4):
        city.step(partial(0, n, 1, 1, 0))
    before = saved(city)
    assert city.step(partial(1, 0, 9, 0, 9)) == []
    assert city.late == 1
    after = saved(city)
    assert {name for name in before if before[name] != after[name]} == {"marks"}


def test_the_columns_of_a_tick() -> None:
    """Ratio, occupancy, density and reporting are what their names say; what is not declared or known is null."""
    city = engine(shards=1)
    (first,) = city.step(partial(0, 0, 180, 90, 90))
    assert column(first, "expected") == [None, None, None]
    assert column(first, "ratio") == [None, None, None]
    assert column(first, "score") == [None, None, None]
    assert column(first, "occupancy") == [None, None, 0.45]
    assert column(first, "density") == [None, 90 / 2e6, 0.09]
    assert column(first, "reporting") == [0.1, 1 / 6, 0.25]
    assert column(first, "capacity") == [None, None, 200]
    assert column(first, "members") == [10, 6, 4]
    assert column(first, "zone_kind") == ["city", "district", "venue"]
    (second,) = city.step(partial(0, 1, 180, 90, 90, expected=(90, 60, 30)))
    assert column(second, "expected") == [90, 60, 30]
    assert column(second, "ratio") == [2, 1.5, 3]
    assert column(second, "score") == [0, 0, 0]
    assert set(second.frame.columns) == {*rules.ZONE_COLUMNS, "series"}


def test_hour_and_day_are_those_of_the_end_of_the_tick() -> None:
    """A tick that ends at midnight is of the new day: what is told was true at its end."""
    city = engine(shards=1)
    midnight = 1_790_035_200_000  # 2026-09-22 00:00 UTC, a Tuesday
    saturday = midnight + 4 * 86_400_000
    for end, hour, kind in [(midnight + 6 * 3_600_000, 6.0, 0.0), (saturday, 0.0, 1.0)]:
        (tick,) = city.step(partial(0, (end - TICK - START) // TICK, 1, 1, 1))
        assert tick.start == end - TICK
        assert column(tick, "hour")[0] == hour
        assert column(tick, "day_kind")[0] == kind


def test_series_without_readings_are_not_told() -> None:
    """A zone of which no datastream reported has no row, so no rule sees nought people."""
    (tick,) = engine(shards=1).step(partial(0, 0, 10, 10, 0))
    assert column(tick, "series") == [0, 1]


def test_rules_fire_and_end_by_their_delays() -> None:
    """A venue full for a tick fires with the onset of the first one, and ends after a tick of calm."""
    city = engine(shards=1)
    told = []
    for n, people in enumerate([100, 185, 190, 195, 50, 60, 50]):
        for tick in city.step(partial(0, n, people, 0, people)):
            told += [(n, d.rule, d.state, (d.onset - START) // TICK) for d in tick.detections]
    assert told == [(2, "Full", "firing", 1), (5, "Full", "cleared", 1)]


def test_a_detection_says_what_the_zone_showed() -> None:
    """Place, sums and headline of a zone's detection are those of its tick."""
    (tick,) = engine(shards=1).step(partial(0, 0, 150, 60, 90, expected=(100, 60, 40)))
    (found,) = tick.detections
    assert (found.rule, found.place, found.place_kind, found.time) == ("Twice", "stadium", "zone", START)
    assert (found.value, found.expected, found.exercise) == (90, 40, False)
    assert found.headline.en == "stadium: 90 people, 45 % full, 2.2 times"


def test_what_the_whole_city_does_is_not_told_of_every_zone() -> None:
    """When all zones double together only the city's own score rises; when one does, its score rises."""
    rng = np.random.default_rng(1)
    city = engine(shards=1, some=())
    scores: list[list[float]] = []
    for n in range(300):
        together = 2.0 if n == 298 else 1.0
        alone = 2.0 if n == 299 else 1.0
        usual = rng.normal(1.0, 0.01, 3)
        sums = 1_000 * usual * together * np.array([1.0, 1.0, alone])
        (tick,) = city.step(partial(0, n, *sums, expected=(1_000, 1_000, 1_000)))
        scores.append(column(tick, "score"))
    assert scores[298][0] > 5
    assert max(scores[298][1:]) < 3
    assert scores[299][2] > 5
    assert max(scores[299][:2]) < 3


def saved(city: CityEngine) -> dict[str, bytes]:
    """The snapshot as bytes."""
    return {name: array.tobytes() for name, array in city.snapshot().items()}


@pytest.mark.parametrize("at", [0, 1, 7, 30, 59])
def test_a_snapshot_in_the_middle_changes_nothing(at: int) -> None:
    """Saved with numpy and restored into a new engine, all further ticks are the same to the bit."""
    rng = np.random.default_rng(2)
    stream = [
        partial(shard, n, *rng.integers(1, 200, 3), expected=(80.0, 60.0, 70.0))
        for n in range(40)
        for shard in rng.permutation(2)
        if rng.random() < 0.9
    ]
    whole, first, second = engine(), engine(), engine()

    def feed(city: CityEngine, some: list[Partial]) -> list[tuple[int, list[Any], list[bytes]]]:
        ticks = [tick for one in some for tick in city.step(one)]
        return [(t.start, t.frame.rows(), [to_json(d) for d in t.detections]) for t in ticks]

    told = feed(whole, stream)
    before = feed(first, stream[:at])
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **first.snapshot())
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        second.restore(dict(arrays))
    assert before + feed(second, stream[at:]) == told
    assert saved(second) == saved(whole)
    assert any(found for _, _, found in told)


def test_a_state_of_another_register_is_refused() -> None:
    """A snapshot with other series or shards is refused in words."""
    with pytest.raises(ValueError, match="of 3 series and 2 shards, the city has 6 of 3 and 1; the register"):
        engine(shards=1).restore(engine().snapshot())
    with pytest.raises(ValueError, match="the register or the release has changed"):
        engine(series=SERIES[:2]).restore(engine().snapshot())


def test_a_partial_of_another_register_is_malformed() -> None:
    """A partial with other series, or of a shard that the city does not have, is refused and changes nothing."""
    city = engine()
    before = saved(city)
    with pytest.raises(Malformed, match="a partial of shard 0 with 2 series; the city has 2 shards and 3 series"):
        city.step(partial(0, 0, 1, 1))
    with pytest.raises(Malformed, match="a partial of shard 2"):
        city.step(partial(2, 0, 1, 1, 1))
    assert saved(city) == before


def test_a_city_without_series_can_be_saved() -> None:
    """No zones declared: partials close ticks without rows, and the state goes to disk and back."""
    city, other = engine(series=(), shards=1), engine(series=(), shards=1)
    (tick,) = city.step(partial(0, 0))
    assert tick.frame.height == 0
    other.restore(city.snapshot())
    assert saved(other) == saved(city)


# --- boxes: twelve by twelve cells of a kilometre, 20 cameras in each, behind the three zones ------------------------

CELLS = 144
STREET = rule("Street", "score >= 5 AND ratio >= 1.5 AND zone_kind = 'box'", "ratio < 1.2")
VENUE = rule("Venue", "ratio >= 1.5 AND zone_kind = 'venue'", "ratio < 1.2")


def boxed(*some: Rule) -> CityEngine:
    """A city of one shard with boxes of people; the stadium is in the middle of the cell in row 2, column 2."""
    over = Grid(104.0, 30.0, 0.01, 0.009, 12, 12)
    cells = np.arange(CELLS, dtype=np.int32)
    columns, members = (3 + cells).astype(np.int32), np.full(CELLS, 20)
    boxes = Boxes("people", "1", over, columns, cells, members, [place("jinjiang")] * CELLS)
    stadium = Place("stadium", Text("stadium", "stadium"), 104.025, 30.0225, "jinjiang")
    series = (*SERIES[:2], Series(stadium, "venue", "people", "1", 4, 200.0, 1e5))
    judges = {"people": detectors.get("running-level", {"ready": 4})}
    return CityEngine(series, some, judges, UTC, 1, TICK, GRACE, boxes=(boxes,))


def crowds(rng: np.random.Generator, tick: int, at: dict[tuple[int, int], float]) -> Partial:
    """A tick in which each cell's 20 cameras see about 100 people, and those of ``at`` (row, column) so many times
    more."""
    cells = rng.normal(100.0, 2.0, (12, 12))
    for cell, times in at.items():
        cells[cell] *= times
    zones = [float(cells.sum()), float(cells[:6].sum()), float(cells[2, 2])]
    expected = (14_400.0, 7_200.0, 100.0, *[100.0] * CELLS)
    made = partial(0, tick, *zones, *cells.ravel().tolist(), expected=expected)
    known = np.array([2_880.0, 1_440.0, 4.0, *[20.0] * CELLS])
    each = np.clip(6.0 * (made.value / np.array(expected) - 1.0), -4.0, 4.0)  # deviations of one camera
    return replace(made, known=known, departure=known * each + np.sqrt(known) * rng.normal(0.0, 1.0, len(known)))


def test_a_crowd_outside_every_zone_is_one_box() -> None:
    """Two crowded cells side by side are one detection of their place at once; it ends when they empty."""
    city, rng = boxed(STREET), np.random.default_rng(5)
    found = []
    for tick in range(60):
        crowd = {(7, 8): 2.5, (7, 9): 2.5} if 40 <= tick < 50 else {}
        found += [(tick, one) for done in city.step(crowds(rng, tick, crowd)) for one in done.detections]
    assert [(tick, one.state) for tick, one in found] == [(40, "firing"), (50, "cleared")]
    one = found[0][1]
    assert (one.place_kind, one.district, one.unit) == ("zone", "jinjiang", "1")
    assert abs(one.lon - 104.09) < 0.011
    assert abs(one.lat - 30.0675) < 0.011
    assert one.value is not None
    assert one.expected is not None
    assert one.value > 1.5 * one.expected


def test_a_crowd_in_a_venue_that_is_told_is_not_told_again_as_a_box() -> None:
    """Boxes that reach into a venue whose rule fires are left out."""
    city, rng = boxed(VENUE, STREET), np.random.default_rng(6)
    found = []
    for tick in range(60):
        crowd = {(2, 2): 3.0} if tick >= 40 else {}
        found += [one for done in city.step(crowds(rng, tick, crowd)) for one in done.detections]
    assert [(one.rule, one.place) for one in found] == [("Venue", "stadium")]


def test_boxes_are_saved() -> None:
    """A snapshot in the middle of a crowd goes on to the bit; one without these boxes is refused."""
    whole, first, second, rng = boxed(STREET), boxed(STREET), boxed(STREET), np.random.default_rng(7)
    stream = [crowds(rng, tick, {(7, 8): 2.5} if 40 <= tick < 50 else {}) for tick in range(60)]
    for one in stream:
        whole.step(one)
    for one in stream[:45]:
        first.step(one)
    second.restore(first.snapshot())
    for one in stream[45:]:
        second.step(one)
    assert saved(second) == saved(whole)
    shot = {name: array for name, array in first.snapshot().items() if not name.startswith("boxes/")}
    with pytest.raises(ValueError, match=r"is not of these \d+ places"):
        second.restore(shot)
