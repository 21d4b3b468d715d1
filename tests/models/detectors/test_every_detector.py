"""What every registered detector promises, whatever it detects."""

from __future__ import annotations

import doctest
import io
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models import detectors
from models.detectors import Detector, State
from tests import naive

Columns = tuple[Any, ...]
Cell = dict[str, Any]
HOUR = 3_600_000

# every detector with the parameters it is tried with; a new detector without an entry fails the first test
TRIED: dict[str, list[Cell]] = {
    "seasonal-baseline": [
        {},
        {"season": "week", "ready": 5},
        {"counts": False, "floor": 0.0, "bins": 96},
        {"compiled": False},
    ],
    "running-level": [{}, {"memory": 50, "ready": 4, "floor": 0.5}],
    "silent": [{}, {"margin": 1, "ready": 3}],
    "stuck": [{"margin_s": 60, "least": 2}, {"margin_s": 60, "least": 2, "timed": True, "rest_s": 30}],
}
TWINS: dict[str, Callable[[Any], Callable[[], Any]]] = {
    "seasonal-baseline": lambda detector: lambda: naive.SeasonalBaseline(detector),
    "running-level": lambda detector: lambda: naive.RunningLevel(detector),
    "silent": lambda detector: lambda: naive.Silent(detector),
    "stuck": lambda detector: lambda: naive.Stuck(detector),
}
CASES = [pytest.param(name, cell, id=f"{name}-{cell}") for name, cells in TRIED.items() for cell in cells]


def stream(seed: int, n: int = 7, length: int = 700) -> Columns:
    """A mixed stream of ``n`` datastreams: hourly and by the second, gaps, repeats, a jump, times that go back."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, n, length).astype(np.int32)
    pace = np.where(np.arange(length) % 200 < 150, HOUR // 3, 5_000)
    time = 1_600_000_000_000 + np.cumsum(pace * rng.choice([0, 1, 1, 2], length)).astype(np.int64)
    time[rng.random(length) < 0.01] -= 2 * HOUR
    value = rng.poisson(20 + 15 * np.sin(time / (24 * HOUR) * 2 * np.pi)).astype(np.float64)
    value[rng.random(length) < 0.03] = np.nan
    value[rng.random(length) < 0.01] = np.inf
    value[rng.random(length) < 0.01] *= 10
    value[length // 3 : length // 2] = 3.0
    value[length // 2 : length // 2 + 40] = 0.0
    local = time + 8 * HOUR
    kind = (local // (24 * HOUR) % 3).astype(np.uint8)
    return rows, time, value, kind, local


def cut(columns: Columns, edges: list[int]) -> list[Columns]:
    """The columns in pieces."""
    bounds = [0, *sorted(edges), len(columns[0])]
    return [tuple(c[a:b] for c in columns) for a, b in pairwise(bounds)]


def run(detector: Detector, state: State, pieces: list[Columns]) -> tuple[State, NDArray[np.float32]]:
    """The last state and what was told of every reading, (4, readings)."""
    told = []
    for piece in pieces:
        state, scores = detector.step(state, *piece)
        told.append(np.stack([scores.score, scores.expected, scores.low, scores.high]))
    return state, np.concatenate(told, axis=1)


def assert_same(first: State, second: State) -> None:
    """Both states are equal to the bit."""
    assert set(first) == set(second)
    for name in first:
        assert first[name].dtype == second[name].dtype
        assert first[name].tobytes() == second[name].tobytes(), name


def test_every_detector_is_tried_here() -> None:
    """The register and this suite name the same detectors."""
    assert set(detectors.known()) == set(TRIED) == set(TWINS)


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    """An unknown detector or parameter is refused and the known ones are named."""
    with pytest.raises(detectors.BadParameter, match="seasonal-baseline"):
        detectors.get("oracle")
    with pytest.raises(detectors.BadParameter, match=r"colour.*shrink"):
        detectors.get("seasonal-baseline", {"colour": 1})


@pytest.mark.parametrize(("name", "cell"), CASES)
def test_inputs_are_only_read(name: str, cell: Cell) -> None:
    """Columns that cannot be written are taken, and no detector touches them."""
    columns = stream(1)
    before = [column.copy() for column in columns]
    for column in columns:
        column.setflags(write=False)
    detector = detectors.get(name, cell)
    run(detector, detector.start(7), [columns])
    for now, then in zip(columns, before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize(("name", "cell"), CASES)
def test_a_gap_scores_nothing_and_teaches_nothing(name: str, cell: Cell) -> None:
    """NaN and infinity in give NaN out and leave the state as it was; every other reading is scored 0 or more."""
    rows, time, value, kind, local = stream(2)
    detector = detectors.get(name, cell)
    state, told = run(detector, detector.start(7), [(rows, time, value, kind, local)])
    finite = np.isfinite(value)
    assert np.isnan(told[:, ~finite]).all()
    assert (told[0, finite] >= 0).all()
    without, told_without = run(
        detector, detector.start(7), [tuple(c[finite] for c in (rows, time, value, kind, local))]
    )
    assert_same(state, without)
    np.testing.assert_array_equal(told[:, finite], told_without)


@pytest.mark.parametrize(("name", "cell"), CASES)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 99), edges=st.lists(st.integers(0, 700), max_size=6))
def test_any_cut_into_batches_gives_the_same(name: str, cell: Cell, seed: int, edges: list[int]) -> None:
    """However the stream is cut, scores and state are the same to the bit."""
    columns = stream(seed)
    detector = detectors.get(name, cell)
    whole, told = run(detector, detector.start(7), [columns])
    parts, told_parts = run(detector, detector.start(7), cut(columns, edges))
    assert_same(whole, parts)
    assert told.tobytes() == told_parts.tobytes()


@pytest.mark.parametrize(("name", "cell"), CASES)
def test_a_snapshot_continues_as_if_nothing_had_happened(name: str, cell: Cell) -> None:
    """A state saved with numpy, without pickle, and restored goes on to the bit, whatever came after."""
    first, second = cut(stream(3), [400])
    detector = detectors.get(name, cell)
    state, _ = run(detector, detector.start(7), [first])
    saved = io.BytesIO()
    shot = detector.snapshot(state)
    np.savez(saved, **shot)  # type: ignore[arg-type]  # names are the detector's own, none is allow_pickle
    state, told = run(detector, state, [second])
    saved.seek(0)
    with np.load(saved, allow_pickle=False) as arrays:
        restored = detector.restore(dict(arrays))
    assert_same(restored, shot)
    again, told_again = run(detectors.get(name, cell), restored, [second])
    assert_same(state, again)
    assert told.tobytes() == told_again.tobytes()


@pytest.mark.parametrize(("name", "cell"), CASES)
def test_a_foreign_state_is_refused(name: str, cell: Cell) -> None:
    """Arrays of another name or shape are refused in words."""
    detector = detectors.get(name, cell)
    state = detector.start(3)
    with pytest.raises(detectors.BadState, match="needs the arrays"):
        detector.restore({"else": np.zeros(3)})
    wrong = {key: np.zeros((3, 2, 2), array.dtype) for key, array in state.items()}
    with pytest.raises(detectors.BadState, match="start anew"):
        detector.restore(wrong)


@pytest.mark.parametrize(("name", "cell"), CASES)
def test_memory_does_not_grow(name: str, cell: Cell) -> None:
    """The state has the same size after many readings, and is about a kilobyte a datastream with 24 points a day."""
    detector = detectors.get(name, cell)
    state = detector.start(7)
    size = sum(array.nbytes for array in state.values())
    for seed in range(5):
        state, _ = run(detector, state, [stream(seed)])
    assert sum(array.nbytes for array in state.values()) == size
    if not cell:
        own = sum(array.nbytes for array in state.values() if len(array) == 7)
        assert own / 7 <= 1024
        assert size - own <= 65_536  # what all datastreams share


@pytest.mark.parametrize(("name", "cell"), CASES)
def test_the_slow_twin_agrees(name: str, cell: Cell) -> None:
    """One reading at a time in plain Python gives the same to 1e-6."""
    columns = stream(4, n=2, length=1500)
    detector = detectors.get(name, cell)
    _, told = run(detector, detector.start(2), [columns])
    twin = np.array(list(naive.run(TWINS[name](detector), list(zip(*(c.tolist() for c in columns), strict=True))))).T
    np.testing.assert_allclose(told, twin.astype(np.float32), rtol=1e-6, atol=1e-6)
    assert np.nanmax(told[0]) > 1.0


@pytest.mark.parametrize("name", TRIED)
@pytest.mark.parametrize("values", [[0.0] * 300, [1e308, -1e308] * 150, [5e-324] * 300, [7.5] * 299 + [1e308]])
def test_no_value_breaks_it(name: str, values: list[float]) -> None:
    """Constants and the largest and smallest numbers give finite scores of 0 or more."""
    detector = detectors.get(name)
    time = np.arange(len(values), dtype=np.int64) * HOUR
    rows, kind = np.zeros(len(values), np.int32), np.zeros(len(values), np.uint8)
    _, told = run(detector, detector.start(1), [(rows, time, np.array(values), kind, time)])
    assert np.isfinite(told[0]).all()
    assert (told[0] >= 0).all()


@pytest.mark.parametrize(("name", "cell"), CASES)
def test_nothing_is_nothing(name: str, cell: Cell) -> None:
    """An empty batch gives empty scores, and no datastreams is a state too."""
    detector = detectors.get(name, cell)
    _, told = run(detector, detector.start(0), [tuple(column[:0] for column in stream(5))])
    assert told.shape == (4, 0)


@pytest.mark.parametrize("name", TRIED)
def test_the_example_in_its_description_runs(name: str) -> None:
    """Every detector's class shows an example, and it does what it says."""
    result = doctest.testmod(sys.modules[detectors.known()[name].__module__])
    assert result.attempted > 0
    assert result.failed == 0
