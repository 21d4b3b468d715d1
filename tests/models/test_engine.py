"""The engine of a shard: the cut of batches changes nothing, and each reading is counted for what it is."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models import partials
from models.batch import Batch, batch
from models.calendar import UTC
from models.engine import COUNTS, Engine, Reject
from models.partials import FIELDS, Partial
from models.values import Detection, to_json
from tests import naive
from tests.models.shard import LATENESS_MS, MEMBERS, RULES, SERIES_OF, TICK_MS, engine, layout, rule

START = 1_790_000_000_000  # a whole tick
assert START % TICK_MS == 0
Row = tuple[int, int, float, int]  # datastream, seconds after START, value, flags

VALUES = (0.0, 1.0, 2.0, 3.0, 12.0, 49.0, 60.0, 900.0, 1e9, -1.0, float("nan"), float("inf"))
rows = st.lists(
    st.tuples(
        st.sampled_from([*MEMBERS.tolist(), *MEMBERS.tolist(), 0, 4, 99, -1]),
        st.integers(-30, 60),
        st.sampled_from(VALUES),
        st.sampled_from([0, 0, 0, 1]),
    ),
    max_size=120,
)


def steady(seed: int, length: int) -> list[Row]:
    """Readings as a city sends them: mostly in order, some late, some twice, bursts of one datastream."""
    rng = np.random.default_rng(seed)
    found: list[Row] = []
    now = 0
    for _ in range(length):
        now += int(rng.choice([0, 0, 0, 1, 4]))
        when = now - int(rng.choice([0] * 12 + [3, 25]))
        which = int(rng.choice([2, 2, 2, 3, 5, 7, 8, 11, 4]))
        found.append((which, when, float(rng.choice(VALUES[:9], p=[0.1] * 4 + [0.2] + [0.1] * 4)), 0))
        if rng.random() < 0.1:
            found.append(found[-1 - int(rng.integers(0, len(found)))])
    return found


def columns(some: Sequence[Row]) -> Batch:
    """The rows as a batch."""
    return batch(
        [row[0] for row in some],
        [START + row[1] * 1_000 for row in some],
        [row[2] for row in some],
        [row[3] for row in some],
        accepted=1,
    )


@dataclass
class Told:
    """Everything that an engine gave over several batches."""

    score: list[NDArray[np.float32]] = field(default_factory=list)
    detections: list[Detection] = field(default_factory=list)
    partials: list[Partial] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    touched: set[int] = field(default_factory=set)

    def bits(self) -> tuple[bytes, bytes, bytes, list[Reject], set[int]]:
        """The same as bytes, so that equal means equal to the bit, in order."""
        scores = np.concatenate([np.zeros(0, np.float32), *self.score]).tobytes()
        found = b"\n".join(to_json(detection) for detection in self.detections)
        return scores, found, b"".join(partials.encode(p) for p in self.partials), self.rejects, self.touched


def run(machine: Engine, some: Sequence[Row], edges: Sequence[int]) -> Told:
    """Feed the rows cut at ``edges``."""
    told = Told()
    bounds = [0, *sorted(min(edge, len(some)) for edge in edges), len(some)]
    for a, b in pairwise(bounds):
        step = machine.step(columns(some[a:b]))
        told.score.append(step.score)
        told.detections += step.detections
        told.partials += step.partials
        told.rejects += [replace(reject, row=reject.row + a) for reject in step.rejects]
        told.touched |= set(step.touched.tolist())
        assert step.touched.tolist() == sorted(set(step.touched.tolist()))
    return told


def saved(machine: Engine) -> dict[str, tuple[str, bytes]]:
    """The snapshot as bytes."""
    return {name: (str(array.dtype), array.tobytes()) for name, array in machine.snapshot().items()}


def count(machine: Engine) -> dict[str, int]:
    """The counters by name."""
    return dict(zip(COUNTS, machine.counts.tolist(), strict=True))


@settings(max_examples=150, deadline=None)
@given(some=rows, edges=st.lists(st.integers(0, 120), max_size=8))
def test_any_cut_into_batches_gives_the_same(some: list[Row], edges: list[int]) -> None:
    """Whatever comes, scores, detections, partials, rejects and state are the same to the bit for every cut."""
    whole, parts = engine(), engine()
    assert run(whole, some, []).bits() == run(parts, some, edges).bits()
    assert saved(whole) == saved(parts)


@pytest.mark.parametrize("seed", range(4))
def test_a_long_stream_is_the_same_in_single_readings_and_in_one_batch(seed: int) -> None:
    """Some hundred readings with detections and closed ticks give the same one by one, in hundreds and at once."""
    some = steady(seed, 600)
    machines = [engine() for _ in range(3)]
    edges = [[], list(range(0, 700, 97)), list(range(700))]
    told = [run(machine, some, cut) for machine, cut in zip(machines, edges, strict=True)]
    assert told[0].bits() == told[1].bits() == told[2].bits()
    assert saved(machines[0]) == saved(machines[1]) == saved(machines[2])
    assert len(told[0].partials) > 20
    assert {d.rule for d in told[0].detections} == {"Crowd", "Surge", "Lasting", "Water"}
    assert {d.state for d in told[0].detections} == {"firing", "cleared"}


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 9), at=st.integers(0, 300))
def test_a_snapshot_in_the_middle_changes_nothing(seed: int, at: int) -> None:
    """Saved with numpy, restored into a new engine and gone on with, all is the same to the bit."""
    some = steady(seed, 300)
    whole, first, second = engine(), engine(), engine()
    told = run(whole, some, [at])
    before = run(first, some[:at], [])
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **first.snapshot())
    run(first, some[at:], [])  # what the first goes on to see does not reach the saved state
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        second.restore(dict(arrays))
    after = run(second, some[at:], [])
    assert saved(second) == saved(whole) == saved(first)
    assert (
        before.bits()[1] + (b"\n" if before.detections and after.detections else b"") + after.bits()[1]
        == (told.bits()[1])
    )
    assert before.bits()[2] + after.bits()[2] == told.bits()[2]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 9), again=st.lists(st.integers(0, 3), max_size=20))
def test_repeats_change_nothing_but_their_count(seed: int, again: list[int]) -> None:
    """A reading that came among the last four of its datastream and comes again is counted and nothing else."""
    once = [row for row in steady(seed, 200) if row[0] in MEMBERS and row[2] <= 1_000]
    plain, repeated = engine(), engine()
    told = run(plain, once, [])
    twice: list[Row] = []
    recent: dict[int, list[Row]] = {}
    added = 0
    for number, row in enumerate(once):
        twice.append(row)
        mine = recent.setdefault(row[0], [])
        mine[:] = sorted({*mine, row}, key=lambda r: -r[1])[:4]
        back = again[number % len(again)] if again else len(mine)
        if back < len(mine):
            twice.append((*mine[back][:2], 7.0, 0))  # another value under the same time
            added += 1
    told_twice = run(repeated, twice, [])
    assert [to_json(d) for d in told_twice.detections] == [to_json(d) for d in told.detections]
    assert told_twice.bits()[2] == told.bits()[2]
    assert count(repeated) == count(plain) | {"duplicates": count(plain)["duplicates"] + added}
    repeated.counts[:] = plain.counts
    assert saved(repeated) == saved(plain)


@settings(max_examples=60, deadline=None)
@given(some=rows)
def test_the_slow_twins_of_admission_and_zone_sums_agree(some: list[Row]) -> None:
    """Plain dictionaries, reading by reading, give the same counts and the same partials."""
    machine = engine()
    told = run(machine, some, [])
    admission, sums = naive.Admission(), naive.ZoneSums(SERIES_OF, TICK_MS, LATENESS_MS)
    statuses: list[int] = []
    closed = []
    expected = expectations(some)
    for number, (which, second, value, _) in enumerate(some):
        if which not in MEMBERS or not 0 <= value <= 1_000:
            continue
        row = MEMBERS.tolist().index(which)
        time = START + second * 1_000
        statuses.append(admission.admit(row, time))
        if statuses[-1] <= 1:
            sums.add(row, time, value, expected[number])
            closed += sums.closed()
    assert count(machine) == {
        "scored": len(statuses) - statuses.count(2),
        "duplicates": statuses.count(2),
        "late": statuses.count(3),
        "rejected": len(some) - len(statuses),
    }
    assert [partial.tick for partial in told.partials] == [tick for tick, _ in closed]
    for partial, (_, by_series) in zip(told.partials, closed, strict=True):
        want = np.zeros((len(FIELDS), 3))
        for series, numbers in by_series.items():
            want[:, series] = numbers
        np.testing.assert_allclose([getattr(partial, name) for name in FIELDS], want, rtol=1e-6, atol=1e-6)


def expectations(some: Sequence[Row]) -> list[tuple[float, float, float]]:
    """What the detectors expected of each reading and its band (NaN where it was not scored), as a rule tells it."""
    always = (
        rule("P", "value >= 0", "value < 0"),
        rule("W", "value >= 0", "value < 0", property="water"),
    )
    found = []
    machine = Engine(layout(), always, UTC)
    for row in some:
        machine.conditions.restore([])  # so that every reading fires anew
        step = machine.step(columns([row]))
        told = step.detections[0] if step.detections else None
        why = None if told is None else told.why
        known = (None, None, None) if told is None or why is None else (told.expected, why.low, why.high)
        expected, low, high = (float("nan") if one is None else float(np.float32(one)) for one in known)
        found.append((expected, low, high))
    return found


def test_ticks_are_closed_by_the_watermark() -> None:
    """A tick is told when a reading is a tick and the lateness newer than its start, in order, each once."""
    machine = engine()
    assert machine.step(columns([(2, 0, 10.0, 0), (3, 4, 5.0, 0), (2, 5, 7.0, 0)])).partials == ()
    assert machine.step(columns([(2, 14, 1.0, 0)])).partials == ()
    (first,) = machine.step(columns([(2, 15, 1.0, 0)])).partials
    assert (first.shard, first.tick, first.accepted) == (3, START, 1)
    assert first.count.tolist() == [2, 2, 0]
    assert first.value.tolist() == [15, 15, 0]
    rest = machine.step(columns([(2, 30, 1.0, 0)])).partials
    assert [partial.tick - START for partial in rest] == [5_000, 10_000, 15_000]
    assert [partial.value.tolist() for partial in rest] == [[7, 7, 0], [1, 1, 0], [1, 1, 0]]


def test_a_reading_after_its_tick_was_told_is_scored_but_not_summed() -> None:
    """What comes behind the watermark is in no partial, yet another datastream's first reading is scored."""
    machine = engine()
    machine.step(columns([(2, 100, 1.0, 0)]))
    step = machine.step(columns([(3, 10, 4.0, 0)]))
    assert step.score.tolist() == [0.0]
    assert step.partials == ()
    late = machine.step(columns([(2, 200, 1.0, 0)])).partials
    assert [partial.tick for partial in late] == [START + 100_000]


def test_late_readings_are_counted() -> None:
    """A reading older than the four remembered is late: counted, not scored, not summed, not shown."""
    machine = engine()
    machine.step(columns([(2, second, 1.0, 0) for second in (10, 11, 12, 13)]))
    step = machine.step(columns([(2, 9, 999.0, 0)]))
    assert np.isnan(step.score).all()
    assert step.touched.tolist() == []
    assert count(machine) == {"scored": 5, "duplicates": 0, "late": 1, "rejected": 0}
    assert machine.value[0] == 1.0


def test_a_reading_out_of_order_is_summed_but_not_scored() -> None:
    """Among the last four it is placed: its tick counts it, the detector and the picture do not go back."""
    machine = engine()
    step = machine.step(columns([(2, 3, 1.0, 0), (2, 1, 50.0, 0)]))
    assert np.isnan(step.score).tolist() == [False, True]
    assert machine.value[0] == 1.0
    (partial,) = machine.step(columns([(2, 20, 0.0, 0)])).partials
    assert partial.value.tolist() == [51, 51, 0]


def test_what_cannot_be_used_is_told_with_the_remedy() -> None:
    """Unknown datastreams and values out of range are rejected by row with reasons, the others are taken."""
    machine = engine()
    step = machine.step(columns([(4, 0, 1.0, 0), (2, 0, 1_001.0, 0), (3, 0, float("nan"), 0), (5, 0, 8.0, 0)]))
    assert [reject.row for reject in step.rejects] == [0, 1, 2]
    assert step.rejects[0].reason == "datastream 4 is not in shard 3; send it through the gateway"
    assert step.rejects[1].reason == "value 1001.0 of datastream 2 is outside its range 0 to 1000"
    assert step.rejects[2].reason == "value nan of datastream 3 is outside its range 0 to 1000"
    assert np.isnan(step.score).tolist() == [True, True, True, False]
    assert step.touched.tolist() == [2]
    assert count(machine) == {"scored": 1, "duplicates": 0, "late": 0, "rejected": 3}


def test_a_time_that_is_none_is_rejected() -> None:
    """Seconds or microseconds sent as milliseconds, or garbage, do not reach the ticks."""
    machine = engine()
    step = machine.step(batch([2, 2, 2, 2], [-1, START * 1_000, 2**63 - 1, START], [1.0] * 4))
    assert [reject.row for reject in step.rejects] == [0, 1, 2]
    assert step.rejects[0].reason == (
        "time -1 of datastream 2 is not in 1970 to 2100; send milliseconds since 1970 UTC"
    )


def test_the_last_value_is_the_picture() -> None:
    """Of several readings of a datastream in one batch the newest is shown, with its time and score."""
    machine = engine()
    step = machine.step(columns([(11, 1, 1.0, 0), (2, 1, 2.0, 0), (11, 2, 3.0, 0)]))
    assert step.touched.tolist() == [0, 5]
    assert machine.value[[0, 5]].tolist() == [2.0, 3.0]
    assert machine.time[[0, 5]].tolist() == [START + 1_000, START + 2_000]
    assert np.isnan(machine.score[5])  # nobody watches it
    assert machine.score[0] == 0.0


def test_an_exercise_is_marked() -> None:
    """A detection made by a reading of an exercise says so."""
    machine = engine()
    step = machine.step(columns([(2, 0, 60.0, 1), (3, 0, 60.0, 0)]))
    assert [(d.place, d.exercise) for d in step.detections] == [("asset-2", True), ("asset-3", False)]


def test_a_detection_says_what_was_seen_where() -> None:
    """Place, value, onset, time, unit and headline of a detection are those of its reading."""
    machine = engine()
    (found,) = machine.step(columns([(3, 7, 60.0, 0)])).detections
    assert (found.pack, found.rule, found.state, found.severity) == ("test", "Crowd", "firing", "Minor")
    assert (found.place, found.place_kind, found.lon, found.lat, found.district) == (
        "asset-3", "asset", 104.0, 30.6, "jinjiang",
    )  # fmt: skip
    assert (found.onset, found.time, found.value, found.score, found.unit) == (
        START + 7_000, START + 7_000, 60.0, 0.0, "1",
    )  # fmt: skip
    assert found.expected is None
    assert (found.headline.en, found.headline.zh) == ("Place 3: 60", "地点3：60")


def test_an_empty_batch_gives_nothing() -> None:
    """No readings, no results, and the state is as before."""
    machine = engine()
    before = saved(machine)
    step = machine.step(columns([]))
    assert (len(step.score), len(step.touched), step.detections, step.partials, step.rejects) == (0, 0, (), (), ())
    assert saved(machine) == before


def test_an_engine_without_datastreams_rejects_and_can_be_saved() -> None:
    """A shard without datastreams and series steps and saves like any other."""
    empty = replace(
        layout(),
        members=np.zeros(0, np.int32),
        group=np.zeros(0, np.int16),
        low=np.zeros(0),
        high=np.zeros(0),
        indptr=np.zeros(1, np.int64),
        indices=np.zeros(0, np.int32),
        series=0,
        places=[],
    )
    machine, other = Engine(empty, RULES, UTC), Engine(empty, RULES, UTC)
    assert len(machine.step(columns([(2, 0, 1.0, 0)])).rejects) == 1
    other.restore(machine.snapshot())
    assert saved(other) == saved(machine)


def test_columns_are_only_read() -> None:
    """Columns that cannot be written, as they come from the wire, are taken."""
    some = columns(steady(1, 50))
    for column in (some.datastream, some.time, some.value, some.flags):
        column.setflags(write=False)
    assert len(engine().step(some).score) == len(some)


def test_a_state_of_another_register_is_refused() -> None:
    """A snapshot with other datastreams or other groups is refused in words."""
    machine = engine()
    fewer = replace(layout(), members=MEMBERS[:5], group=np.array([0, 0, 0, 1, 1], np.int16), places=[])
    with pytest.raises(ValueError, match="the register has changed"):
        Engine(fewer, RULES, UTC).restore(machine.snapshot())
    moved = replace(layout(), group=np.array([0, 0, 1, 1, 1, -1], np.int16))
    with pytest.raises(ValueError, match="test/people is not of 2 datastreams"):
        Engine(moved, RULES, UTC).restore(machine.snapshot())


def test_a_zone_more_costs_nothing_that_was_learned() -> None:
    """With another zone the detectors go on as they were; only the open ticks are summed up anew."""
    machine = engine()
    machine.step(columns(steady(1, 200)))
    wider = Engine(replace(layout(), series=layout().series + 1), RULES, UTC)
    wider.restore(machine.snapshot())
    before, after = machine.snapshot(), wider.snapshot()
    assert {name for name in before if before[name].tobytes() != after[name].tobytes()} <= {"ticks", "sums"}
    np.testing.assert_array_equal(wider.score, machine.score)
