"""What was recorded comes back as it was, at any moment, and what cannot be read is named."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from citybrain.archive.compact import compact
from citybrain.archive.files import ArchiveError
from citybrain.archive.pictures import Pictures
from citybrain.archive.reader import Archive, Clock
from config import register as registers
from config.settings import Settings
from models.values import Alert, Unit, from_json
from tests.citybrain.replay import rig
from tests.citybrain.replay.rig import MINUTES, START


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """An archive that all tests read and none changes."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda _: None)
        yield rig.settings(tmp_path_factory.mktemp("replay"))


def pictures(made: Settings, archive: Archive) -> Pictures:
    """The pictures of the small town."""
    register = registers.load(made.register)
    members = [register.members(shard) for shard in range(register.shards)]
    return Pictures(made.home / "pictures", archive, members, 5_000)


def test_a_moment_has_the_last_reading_of_each_datastream(recorded: Settings) -> None:
    """Forwards, backwards, and between two readings."""
    span = rig.span(recorded)
    for minute in (7, 3, 12, 11):
        shot = span.shot(START + minute * 60_000 + 30_000)
        people = shot.value[: int(len(shot.value) * 0.5)]
        assert float(np.nanmax(people)) == minute % 10
        assert int(shot.time_s.max()) == (START + minute * 60_000) // 1000


def test_pictures_change_nothing_but_the_speed(recorded: Settings, tmp_path: Path) -> None:
    """With and without them, and after files were put together, the same values."""
    made = Settings(city="chengdu", data=tmp_path / "copy")
    shutil.copytree(recorded.home, made.home)
    moments = [START + minute * 60_000 + 17_000 for minute in (1, 5, 14, 28)]
    before = [rig.span(made).shot(at).value for at in moments]
    assert pictures(made, Archive(made.archive)).make() > 20
    compact(made.archive)
    after = [rig.span(made).shot(at).value for at in moments]
    for one, two in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, two)


def test_alerts_and_what_people_did_come_back_in_their_time(recorded: Settings) -> None:
    """The very bytes that were shown."""
    span = rig.span(recorded)
    assert span.shot(START + 600_000).alerts == {}
    opened = span.shot(START + 602_000).alerts["surge"]
    assert from_json(opened, Alert) == rig.alert()
    held = span.shot(START + 661_000).alerts["surge"]
    assert from_json(held, Alert).acknowledged_by == "chen"
    assert span.shot(START + 602_000).incidents.keys() == {"incident-1"}
    stood = [from_json(span.shot(START + at).units["patrol-1"], Unit).status for at in (602_000, 661_000)]
    assert stood == ["free", "sent"]
    assert [(mark.kind, mark.at - START) for mark in span.marks()] == [
        ("alert", 601_000),
        ("incident", 601_000),
        ("command", 660_000),
    ]


def test_zones_and_the_trend_are_those_of_the_tick(recorded: Settings) -> None:
    """Half an hour of trend at most, newest first."""
    shot = rig.span(recorded).shot(START + 700_000)
    assert shot.zones is not None
    assert b'"ratio":1.6' in shot.zones
    assert shot.history[0] == b'{"tick":%d,"totals":{"people":[900.0,900.0]}}' % (START + 700_000)
    assert len(shot.history) == 140


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        (START - 7_200_000, START - 3_600_000, "nothing is recorded from 2026-09-21 22:00:00 UTC"),
        (START + 60_000, START, "give --to after --from"),
    ],
)
def test_a_span_without_data_is_refused_in_words(recorded: Settings, start: int, end: int, words: str) -> None:
    """What was asked for, what there is, and what to do."""
    with pytest.raises(ArchiveError, match=words):
        rig.span(recorded, start, end)


def test_a_span_that_begins_too_early_is_shown_from_where_there_is_data(recorded: Settings) -> None:
    """And says so."""
    span = rig.span(recorded, START - 3_600_000)
    assert span.start == START
    assert "recorded is only 2026-09-22 00:00:00 UTC" in span.notices[0].words("en")


def test_a_corrupt_file_is_named_and_the_rest_is_shown(recorded: Settings, tmp_path: Path) -> None:
    """Other minutes and other topics come back as ever."""
    made = Settings(city="chengdu", data=tmp_path / "copy")
    shutil.copytree(recorded.home, made.home)
    for topic in ("readings", "ticks", "incidents"):
        torn = sorted((made.archive / topic).glob("day=*/*.parquet"))[0]
        torn.write_bytes(torn.read_bytes()[:60])
    span = rig.span(made)
    shot = span.shot(START + 25 * 60_000 + 30_000)
    assert float(np.nanmax(shot.value)) > 0
    assert "surge" in shot.alerts
    assert {one.key for one in span.notices} == {"unreadable"}
    assert all("; it is left out. Run citybrain archive check --repair" in one.words("en") for one in span.notices)
    assert all("，已略去。请运行 citybrain archive check --repair" in one.words("zh") for one in span.notices)


def test_a_picture_that_is_torn_is_made_anew_in_both_languages(recorded: Settings, tmp_path: Path) -> None:
    """The file is named, and by what it is made anew; the moment is read from the readings."""
    made = Settings(city="chengdu", data=tmp_path / "copy")
    shutil.copytree(recorded.home, made.home)
    archive = Archive(made.archive)
    kept = pictures(made, archive)
    kept.make()
    for path in kept.folder.glob("*.parquet"):
        path.write_bytes(path.read_bytes()[:60])
    pictures(made, archive).at(0, START + 60_000)
    told = archive.notices.told[0]
    assert told.words("en").endswith("; it is made anew by citybrain archive compact")
    assert told.words("zh").endswith("；citybrain archive compact 会重新生成它")


def test_a_recording_that_was_fed_has_a_clock_of_its_own() -> None:
    """Phenomenon time by the time of doing, and back."""
    clock = Clock(np.array([1_000, 2_000, 3_000]), np.array([10_000_000, 20_000_000, 30_000_000]))
    assert clock.phenomenon(1_500) == 15_000_000
    assert clock.doing(25_000_000) == 2_500
    assert clock.doing(9_000_000) == 999


def test_an_incident_is_read_with_all_that_belongs_to_it(recorded: Settings) -> None:
    """Alerts, who did what, and the span it takes."""
    case = Archive(recorded.archive).incident("incident-1")
    assert list(case.alerts) == ["surge"]
    assert [(line.by, line.did) for line in case.audit] == [("chen", "acknowledge")]
    assert case.span == (START + 600_000, START + 700_000)
    with pytest.raises(ArchiveError, match="no incident 'nobody' among its 1"):
        Archive(recorded.archive).incident("nobody")


def test_the_span_covers_the_minutes(recorded: Settings) -> None:
    """From the first reading to the last."""
    assert Archive(recorded.archive).reaches() == (START, START + (MINUTES - 1) * 60_000)
