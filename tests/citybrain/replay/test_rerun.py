"""The same recorded input through other rules: the difference agrees with a plain recomputation."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from citybrain.archive.files import ArchiveError
from citybrain.commands import rerun as command
from citybrain.replay.changes import Changes, parsed
from citybrain.replay.rerun import rerun
from config.settings import Settings
from tests.citybrain.replay import rig
from tests.citybrain.replay.rig import MINUTES, START

END = START + (MINUTES - 1) * 60_000
SURGE = "holiday-crowd.ZoneSurge.expr"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Ten minutes at Chunxi Road with 1.6 times the usual."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda _: None)
        yield rig.settings(tmp_path_factory.mktemp("rerun"))


def test_nothing_changed_gives_nothing_else(recorded: Settings) -> None:
    """The surge begins with the first tick at 1.6 that has lasted for 5 s."""
    found = rerun(recorded, START, END, Changes())
    assert (found.before, found.came, found.gone, found.moved) == (found.after, (), (), ())
    assert found.before.alerts == 1


def test_a_higher_line_takes_the_alert_away(recorded: Settings) -> None:
    """1.6 times the usual is below 1.75."""
    found = rerun(recorded, START, END, Changes({SURGE: "score >= 6 AND ratio >= 1.75"}))
    assert [(one.rule, one.place) for one in found.gone] == [("ZoneSurge", "510104")]
    assert (found.after.alerts, found.came, found.moved) == (0, (), ())


def test_a_longer_delay_moves_it_by_as_much(recorded: Settings) -> None:
    """Two minutes in place of five seconds."""
    found = rerun(recorded, START, END, Changes({"holiday-crowd.ZoneSurge.for": "125s"}))
    (moved,) = found.moved
    assert moved.minutes_earlier == -2.0
    assert (found.came, found.gone, found.same) == ((), (), 0)


def test_a_lower_line_agrees_with_a_plain_count(recorded: Settings) -> None:
    """Every series that was ever at the line, by hand: the road's and the city's, each once."""
    found = rerun(recorded, START, END, Changes({SURGE: "ratio >= 1"}))
    told = {(one.place, one.time) for one in (*found.came, *found.moved)}
    assert told == {("510104", START + 5_000), ("chengdu", START + 5_000)}
    assert found.after.per_hour == round(2 / ((END - START) / 3_600_000), 3)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("holiday-crowd.ZoneSurge", "sets nothing"),
        ("holiday-crowd.Nothing.expr=value > 1", "there is no rule holiday-crowd.Nothing"),
        ("holiday-crowd.ZoneSurg.expr=value > 1", "did you mean holiday-crowd.ZoneSurge?"),
        ("crowds.ZoneSurge.expr=value > 1", "no such pack in force; there are appeals-cluster"),
        ("holiday-crowd.ZoneSurge.colour=red", "colour cannot be set"),
        ("holiday-crowd.ZoneSurge.expr=valu > 1", "rules.0..expr: .*valu"),
        ("holiday-crowd.ZoneSurge.severity=Awful", "rules.0..severity: .*Awful"),
        ("holiday-crowd.ZoneSurge.for=soon", "rules.0..for: .*soon"),
        ("holiday-crowd.VenueFilling.line={occupancy: full}", "rules.3..line.*full"),
        ("flood.water_level.detector=oracle", "datastreams.0..detector: .*oracle"),
        ("flood.water_level.parameters.visits=-1", "visits is -1; use at least 1"),
        ("flood.water_level.cadence=1s", "cadence cannot be set"),
        ("holiday-crowd.CameraSurge.expr=score >= 5", "less than 2 days before"),
        ("holiday-crowd.StreetCrowd.for=1m", "less than 2 days before"),
        ("holiday-crowd.VenueFilling.line={occupancy: 0.75}", "forecasts' state of before 2026-09-22"),
    ],
)
def test_what_cannot_be_changed_is_refused_in_words(recorded: Settings, line: str, words: str) -> None:
    """The value, what there is, and what to do."""
    with pytest.raises(ArchiveError, match=words):
        rerun(recorded, START, END, parsed([line], None))


def test_a_budget_beyond_its_limits_is_refused() -> None:
    """As the setting is."""
    with pytest.raises(ArchiveError, match="not within 0 to 1000"):
        Changes(budget=5_000)


def test_a_span_without_ticks_is_refused(recorded: Settings) -> None:
    """And says since when there are some."""
    for path in recorded.archive.glob("ticks/day=*/*.parquet"):
        path.rename(path.with_suffix(".aside"))
    try:
        with pytest.raises(ArchiveError, match="no ticks are recorded"):
            rerun(recorded, START, END, Changes({SURGE: "ratio >= 1.1"}))
    finally:
        for path in recorded.archive.glob("ticks/day=*/*.aside"):
            path.rename(path.with_suffix(".parquet"))


def test_the_command_prints_one_object_last(recorded: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """The newest 24 hours unless told."""
    assert command.run(recorded, None, None, [f"{SURGE}=ratio >= 9"], None, as_json=True) == 0
    said = capsys.readouterr()
    told = json.loads(said.out.splitlines()[-1])
    assert (told["before"]["alerts"], told["after"]["alerts"], len(told["gone"])) == (1, 0, 1)
    assert "progress 0.97 comparing" in said.err
