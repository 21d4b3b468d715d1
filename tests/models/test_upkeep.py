"""Upkeep in the whole engine: no cut of batches changes it, faults silence their own anomalies, claims are told."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import batch as batches
from models import notes as noted
from models import partials
from models.batch import Batch
from models.calendar import UTC
from models.city import CityEngine
from models.detectors import get
from models.engine import Engine
from models.keeper import Keeper
from models.layout import Group, Place, Series, ShardLayout
from models.notes import Notes
from models.partials import Partial, Turn
from models.soundness import SILENT, STUCK, checks
from models.values import Text, to_json
from tests.models.shard import rule
from tests.models.test_faults import Town

TICK = 5_000
START = 1_790_000_000_000 // TICK * TICK
CAMERAS = 6
RULES = (
    replace(rule("Surge", "score >= 2 AND value > expected", "score < 1", for_s=5, watch=1), budgeted=True),
    rule("Flood", "value >= 500", "value < 400"),
)


def layout(checked: bool = True) -> ShardLayout:
    """Six cameras that report each 5 s, close to each other; all in one series."""
    group = Group("test", "people", "1", get("running-level", {"ready": 10, "floor": 1.0}))
    return ShardLayout(
        shard=0,
        members=np.arange(CAMERAS, dtype=np.int32),
        group=np.zeros(CAMERAS, np.int16),
        groups=(replace(group, checks=checks(TICK, True) if checked else None),),
        low=np.zeros(CAMERAS),
        high=np.full(CAMERAS, 1_000.0),
        indptr=np.arange(CAMERAS + 1, dtype=np.int64),
        indices=np.zeros(CAMERAS, np.int32),
        series=1,
        places=[
            Place(f"cam-{k}", Text(f"Camera {k}", f"{k}号"), 104.0 + k / 10_000, 30.6, "d") for k in range(CAMERAS)
        ],
        tick_ms=TICK,
        lateness_ms=TICK,
    )


def feed(seed: int, minutes: int, silent: int = -1, stuck: int = -1, surge: int = -1) -> Batch:
    """Readings of all cameras through two gateways, shuffled within their tick; one of them may be broken from half
    of the time on, one may see a crowd in the last fifth."""
    rng = np.random.default_rng(seed)
    parts: list[Batch] = []
    ticks = minutes * 60_000 // TICK
    for tick in range(ticks):
        for gateway, rows in (("a", (0, 2, 4)), ("b", (1, 3, 5))):
            said = [row for row in rows if not (row == silent and tick > ticks // 2)]
            value = rng.poisson(8, len(said)).astype(np.float64)
            for at, row in enumerate(said):
                if row == stuck and tick > ticks // 2:
                    value[at] = 9.0
                if row == surge and tick > ticks * 4 // 5:
                    value[at] = 90.0
            time = START + tick * TICK + rng.integers(0, TICK, len(said))
            parts.append(batches.batch(said, time, value, source=gateway, accepted=1))
    return batches.concat(parts)


def cut(whole: Batch, edges: Sequence[int]) -> list[Batch]:
    """The batch in pieces, each with the gateways of its readings."""
    source = np.repeat([name for name, _ in whole.origins], [count for _, count in whole.origins])
    bounds = [0, *sorted(min(edge, len(whole)) for edge in edges), len(whole)]
    pieces = []
    for first, end in pairwise(bounds):
        part = whole.take(np.arange(first, end))
        parts = tuple((str(name), 1) for name in source[first:end])
        pieces.append(replace(part, parts=parts or (("", 0),)))
    return pieces


def run(machine: Engine, pieces: Sequence[Batch]) -> tuple[list[bytes], list[bytes], list[Partial]]:
    """Scores, detections and partials as bytes, and the partials themselves."""
    steps = [machine.step(piece) for piece in pieces]
    told = [partial for step in steps for partial in step.partials]
    scores = [np.concatenate([step.score for step in steps]).tobytes()]
    return [*scores, *(to_json(d) for step in steps for d in step.detections)], list(map(partials.encode, told)), told


def saved(machine: Engine) -> dict[str, bytes]:
    """The snapshot as bytes."""
    return {name: array.tobytes() for name, array in machine.snapshot().items()}


def notes(told: Sequence[Partial]) -> list[Notes]:
    """What was noted."""
    return [partial.notes for partial in told if partial.notes is not None]


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 9),
    silent=st.integers(-1, 5),
    stuck=st.integers(-1, 5),
    edges=st.lists(st.integers(0, 700), max_size=6),
)
def test_any_cut_gives_the_same_notes_and_state(seed: int, silent: int, stuck: int, edges: list[int]) -> None:
    """Faults, gateways, claims, partials and state are the same to the bit however the readings are cut."""
    whole, parts = Engine(layout(), RULES, UTC), Engine(layout(), RULES, UTC)
    readings = feed(seed, 8, silent, stuck, surge=1)
    assert run(whole, cut(readings, []))[:2] == run(parts, cut(readings, edges))[:2]
    assert saved(whole) == saved(parts)


def test_single_readings_give_the_same_as_one_batch() -> None:
    """Also one by one."""
    whole, parts = Engine(layout(), RULES, UTC), Engine(layout(), RULES, UTC)
    readings = feed(3, 8, silent=2, stuck=3, surge=1)
    assert run(whole, cut(readings, []))[:2] == run(parts, cut(readings, range(len(readings))))[:2]
    assert saved(whole) == saved(parts)


@pytest.mark.parametrize("at", [100, 333, 480])
def test_a_snapshot_in_the_middle_changes_nothing(at: int) -> None:
    """Saved, restored into a new engine and gone on with, notes and state are the same."""
    first, second, whole = (Engine(layout(), RULES, UTC) for _ in range(3))
    readings = feed(4, 8, silent=2, stuck=3, surge=1)
    before, after = cut(readings, [at])
    file = io.BytesIO()
    early = run(first, [before])[1]
    np.savez(file, allow_pickle=False, **first.snapshot())
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        second.restore(dict(arrays))
    assert early + run(second, [after])[1] == run(whole, [before, after])[1]
    assert saved(second) == saved(whole)


def test_faults_and_gateways_are_noted() -> None:
    """The stuck and the silent camera are noted once each, with their gateways; each gateway has its members."""
    told = notes(run(Engine(layout(), RULES, UTC), [feed(5, 12, silent=2, stuck=3)])[2])
    faults = [fault for one in told for fault in one.faults]
    assert sorted((fault.datastream, fault.kind) for fault in faults) == [(2, SILENT), (3, STUCK)]
    assert [told[-1].sources[fault.source].name for fault in sorted(faults, key=lambda f: f.datastream)] == ["a", "b"]
    assert [(one.name, one.members) for one in told[-1].sources] == [("a", 3), ("b", 3)]


def test_a_claim_is_told_with_each_tick_and_no_detection_is_made() -> None:
    """A crowd at one camera is a claim with its neighbours' state; a line that was passed is told at once."""
    machine = Engine(layout(), RULES, UTC)
    found, _, told = run(machine, [feed(6, 8, surge=1)])
    claims = [claim for one in notes(told) for claim in one.claims]
    assert len(found) == 1  # the scores alone
    assert {(claim.detection.place, claim.detection.rule) for claim in claims} == {("cam-1", "Surge")}
    assert len(claims) > 5
    why = claims[-1].detection.why
    assert why is not None
    assert (why.neighbours, why.hour is not None, why.lasted_ms > 0) == (5, True, True)
    step = machine.step(batches.batch([0], [START + 10 * 60_000], [600.0], source="a"))
    assert [(one.rule, one.state) for one in step.detections] == [("Flood", "firing")]


def test_a_broken_sensors_anomalies_are_not_claimed() -> None:
    """A camera that is stuck at a crowd claims until it is known to be stuck, and no more."""
    machine = Engine(layout(), RULES, UTC)
    readings = feed(7, 12, stuck=3)
    crowd = replace(
        readings, value=np.where((readings.datastream == 3) & (readings.value == 9.0), 90.0, readings.value)
    )
    told = notes(run(machine, [crowd])[2])
    fault_at = next(at for at, one in enumerate(told) if any(f.datastream == 3 for f in one.faults))
    assert any(claim.datastream == 3 for one in told[:fault_at] for claim in one.claims)
    assert not any(claim.datastream == 3 for one in told[fault_at:] for claim in one.claims)


def test_without_checks_and_budget_nothing_is_noted() -> None:
    """A layout without either has partials without notes."""
    told = run(Engine(layout(checked=False), RULES[1:], UTC), [feed(1, 2)])[2]
    assert notes(told) == []
    assert told


def test_an_earlier_state_is_refused() -> None:
    """A snapshot of a release without data quality is refused in words."""
    machine = Engine(layout(), RULES, UTC)
    old = {name: array for name, array in machine.snapshot().items() if not name.startswith("upkeep/")}
    with pytest.raises(ValueError, match="earlier release"):
        machine.restore(old)


# --- the city --------------------------------------------------------------------------------------------------


def city(shards: int = 1) -> CityEngine:
    """A city of that one shard, or of others beside it."""
    place = Place("city", Text("City", "市"), 104.0, 30.6, "")
    series = Series(place, "city", "people", "1", CAMERAS, np.nan, np.nan)
    return CityEngine([series], (), {}, UTC, shards, TICK, 3 * TICK, Keeper(Town(), TICK))


def judged(machine: CityEngine, messages: Sequence[Partial | Turn]) -> list[bytes]:
    """What the city tells of partials and turns of the dial, with its watch lists."""
    told = []
    for message in messages:
        sent = partials.read(partials.encode(message))
        if isinstance(sent, Turn):
            machine.turn(sent)
            continue
        for tick in machine.step(sent):
            assert tick.watch is not None
            told += [*map(to_json, tick.detections), to_json(tick.watch)]
    return told


def test_the_city_goes_on_from_a_snapshot_to_the_bit() -> None:
    """Partials with notes and a turn of the dial between them, cut by a restart, give the same alerts and lists."""
    told = run(Engine(layout(), RULES, UTC), [feed(8, 12, silent=2, stuck=3, surge=1)])[2]
    turn = Turn(per_hour=2.0, by="li", at=1, order="o")
    messages: list[Partial | Turn] = [*told[:60], turn, *told[60:]]
    whole, first, second = city(), city(), city()
    early = judged(first, messages[:90])
    second.restore(first.snapshot())
    assert early + judged(second, messages[90:]) == judged(whole, messages)
    assert {k: v.tobytes() for k, v in second.snapshot().items()} == {
        k: v.tobytes() for k, v in whole.snapshot().items()
    }
    assert second.keeper is not None
    assert second.keeper.per_hour == 2.0


def test_a_partial_that_comes_twice_counts_once() -> None:
    """What a restarted shard sends again changes neither alerts nor lists."""
    told = run(Engine(layout(), RULES, UTC), [feed(8, 12, stuck=3, surge=1)])[2]
    twice = [partial for partial in told for _ in range(2)]
    once, again = judged(city(), told), judged(city(), twice)
    assert [one for one in again if b'"rule"' in one] == [one for one in once if b'"rule"' in one]


def test_notes_of_a_late_partial_are_heard_with_the_next_tick() -> None:
    """A fault noted in a partial that came after its tick was closed is told all the same."""
    told = run(Engine(layout(), RULES, UTC), [feed(9, 12, stuck=3)])[2]
    ahead = [replace(partial, shard=1, notes=None) for partial in told]
    later = [replace(ahead[-1], tick=ahead[-1].tick + k * TICK) for k in range(1, 11)]
    machine = city(2)
    assert not any(b"SensorStuck" in one for one in judged(machine, ahead))
    assert machine.late == 0
    found = judged(machine, [*told, *later])
    assert machine.late > 100
    assert any(b"SensorStuck" in one for one in found)


def test_notes_travel_whole() -> None:
    """Encoded and decoded, notes are the same; other bytes are refused."""
    told = notes(run(Engine(layout(), RULES, UTC), [feed(5, 12, silent=2, surge=1)])[2])
    for one in told:
        assert noted.decode(noted.encode(one)) == one
    with pytest.raises(batches.Malformed, match="not a shard's notes"):
        noted.decode(msgspec.msgpack.encode({"at": 1}))
