"""Re-runs through the live engines: what they tell is what live would have told by the changed packs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from citybrain.replay import states
from citybrain.replay.changes import Changes, otherwise
from citybrain.replay.difference import Difference
from citybrain.replay.refusal import Refused
from citybrain.replay.rerun import readings, rerun
from config import site as sites
from config.pack import FOLDER
from config.settings import Settings
from config.site import Site
from models.values import Detection, alert_id
from tests.citybrain.replay import lived
from tests.citybrain.replay.lived import MINUTES, START, Told

END = START + MINUTES * 60_000 - 1
HOUR_MS = 3_600_000
BOX, CAMERA, WATER = "holiday-crowd.StreetCrowd", "holiday-crowd.CameraSurge", "flood.PondingWarning"
LATE, RAIN = "appeals-cluster.SafetyOverdue", "weather-warning.YellowWarning"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Eight minutes of a small town in which a crowd gathers and water rises."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda _: None)
        yield lived.town(tmp_path_factory.mktemp("lived"))


@pytest.fixture(scope="module")
def site(town: Settings) -> Site:
    """The town as it is declared."""
    return sites.load(town)


@pytest.fixture(scope="module")
def told(site: Site) -> Told:
    """What live told."""
    return lived.live(site)


def fired(told: Told) -> dict[str, Detection]:
    """The alerts of a run by id."""
    return {one.id: one for one in told.detections if one.state == "firing" and START <= one.time <= END}


def plain(before: Mapping[str, Detection], after: Mapping[str, Detection]) -> dict[str, Any]:
    """The difference of two runs, alert by alert."""
    gone, came = [one for one in before if one not in after], [one for one in after if one not in before]
    moved: list[tuple[str, float]] = []
    for new in sorted(came):
        best = None
        for old in gone:
            one, two = before[old], after[new]
            apart = abs(one.time - two.time)
            if (one.pack, one.rule, one.place) == (two.pack, two.rule, two.place) and apart <= HOUR_MS:
                best = old if best is None or apart < abs(before[best].time - two.time) else best
        if best is not None:
            came.remove(new)
            gone.remove(best)
            if before[best].time != after[new].time:
                moved.append((new, round((before[best].time - after[new].time) / 60_000, 2)))
    hours = (END - START) / HOUR_MS
    return {
        "came": sorted(came),
        "gone": sorted(gone),
        "moved": sorted(moved),
        "per_hour": (round(len(before) / hours, 3), round(len(after) / hours, 3)),
    }


def recorded(town: Settings) -> list[tuple[int, int, float]]:
    """Time (ms), datastream and value of every reading in the archive's files, by time."""
    columns = [("time", pa.int64()), ("datastream", pa.int64()), ("value", pa.float64())]
    tables = [pq.read_table(path) for path in town.archive.glob("readings/day=*/*.parquet")]
    lists = [[table[name].cast(kind).to_pylist() for name, kind in columns] for table in tables]
    return sorted(row for one in lists for row in zip(*one, strict=True))


def summed(found: Difference) -> dict[str, Any]:
    """The same of a re-run."""
    return {
        "came": sorted(one.id for one in found.came),
        "gone": sorted(one.id for one in found.gone),
        "moved": sorted((one.id, one.minutes_earlier) for one in found.moved),
        "per_hour": (found.before.per_hour, found.after.per_hour),
    }


def by_name(town: Settings, site: Site, told: Told, changes: Changes) -> tuple[Difference, dict[str, Any]]:
    """A re-run, and the difference between two lives: as it was, and with the changed packs in force."""
    other = otherwise(site, changes).site
    return rerun(town, START, END, changes, site=site), plain(fired(told), fired(lived.live(other)))


@pytest.mark.parametrize(
    ("sets", "rules"),
    [
        ({f"{CAMERA}.expr": "score >= 2 AND value >= 60", f"{CAMERA}.watch": "1.5"}, {"CameraSurge"}),
        (
            {f"{CAMERA}.budget": "false", f"{CAMERA}.expr": "score >= 2", f"{CAMERA}.watch": "1.5"},
            {"CameraSurge"},
        ),
        ({f"{BOX}.expr": "score >= 3 AND zone_kind = 'box'", f"{BOX}.for": "10s"}, {"StreetCrowd"}),
        ({"holiday-crowd.people.parameters.floor": "1.0"}, {"ZoneSurge"}),
        ({f"{WATER}.expr": "value >= 0.25", f"{WATER}.for": "2m"}, {"PondingWarning"}),
        ({"holiday-crowd.ZoneSurge.expr": "ratio >= 1.1", "holiday-crowd.ZoneSurge.for": "30s"}, {"ZoneSurge"}),
        (
            {
                "holiday-crowd.VenueFilling.line": "{value: 500}",
                "holiday-crowd.VenueFilling.expr": "minutes_to_line <= 60",
            },
            {"VenueFilling"},
        ),
        (
            {
                f"{LATE}.expr": "code = '1h' AND due_minutes <= -5",
                f"{RAIN}.expr": "colour = 'yellow' AND value >= 1000",
            },
            {"SafetyOverdue", "YellowWarning"},
        ),
    ],
    ids=["lower", "no-budget", "squares", "detector", "level", "zones", "line", "events"],
)
def test_a_rerun_tells_what_live_would_have_told(
    town: Settings, site: Site, told: Told, sets: dict[str, str], rules: set[str]
) -> None:
    """Scores, claims and their budget, squares, detectors, levels, zones, lines and events: each makes a difference,
    and it is the same ids at the same times."""
    shares: list[float] = []
    found = rerun(town, START, END, Changes(sets), lambda share, what: shares.append(share), site=site)
    other = otherwise(site, Changes(sets)).site
    assert {one.rule for one in (*found.came, *found.gone, *found.moved)} == rules
    assert summed(found) == plain(fired(told), fired(lived.live(other)))
    assert (found.as_recorded, shares == sorted(shares), shares[-1]) == (True, True, 0.97)


def test_a_square_holds_the_people_of_its_cameras(town: Settings, site: Site) -> None:
    """The figure of a square's alert is the sum of what the archived files hold of the cameras at that corner."""
    sets = {f"{BOX}.expr": "score >= 3 AND zone_kind = 'box'", f"{BOX}.for": "10s"}
    (crowd,) = rerun(town, START, END, Changes(sets), site=site).came
    people = sum(value for time, row, value in recorded(town) if time == crowd.time and row < lived.CROWDED)
    assert (crowd.rule, crowd.name["en"]) == ("StreetCrowd", "2 km around 30.598, 104.144, Jinjiang")
    assert f"{people:,.0f} people in view" in crowd.headline["en"]


def test_events_agree_with_minutes_counted_by_hand(town: Settings, site: Site) -> None:
    """Five minutes after its hour instead of ten: one appeal is told five minutes earlier, one that was not late
    enough in the span comes; a yellow warning of few places goes."""
    sets = {f"{LATE}.expr": "code = '1h' AND due_minutes <= -5", f"{RAIN}.expr": "colour = 'yellow' AND value >= 1000"}
    found = rerun(town, START, END, Changes(sets), site=site)
    due = {code: asked + 60 * lived.MINUTE_MS for code, asked in lived.APPEALS.items()}
    assert [(one.place, one.minutes_earlier, one.time) for one in found.moved] == [
        ("department-water-authority", 5.0, due["0101"] + 5 * lived.MINUTE_MS)
    ]
    assert [(one.place, one.time) for one in found.came] == [
        ("department-electric-power-company", due["0202"] + 5 * lived.MINUTE_MS)
    ]
    assert [(one.rule, one.time) for one in found.gone] == [("YellowWarning", lived.WARNED)]


def test_a_level_agrees_with_a_loop_over_the_files(town: Settings, site: Site, told: Told) -> None:
    """A gauge's alert begins with the first reading at the line that still holds so much later."""
    found = rerun(town, START, END, Changes({f"{WATER}.expr": "value >= 0.25", f"{WATER}.for": "2m"}), site=site)
    expected = set()
    frame = site.register.frame
    rows = [one for one in recorded(town) if frame["property"][one[1]] == "water_level"]
    since: dict[int, int] = {}
    alerted: set[int] = set()
    for time, row, value in rows:
        if value < 0.25:
            since.pop(row, None)
        elif row not in alerted and time - since.setdefault(row, time) >= 120_000:
            alerted.add(row)
            expected.add(alert_id("flood", "PondingWarning", frame["asset"][row], since[row]))
    after = {one.id for one in (*found.came, *found.moved) if one.rule == "PondingWarning"}
    assert (len(after) > 0, after) == (True, expected - fired(told).keys())


def test_a_rule_that_is_left_out_takes_its_alerts_along(town: Settings, site: Site, told: Told) -> None:
    """And nothing else."""
    found = rerun(town, START, END, Changes(without=(WATER,)), site=site)
    assert {one.id for one in found.gone} == {one.id for one in fired(told).values() if one.rule == "PondingWarning"}
    assert (found.came, found.moved, found.graded) == ((), (), ())


def test_another_severity_is_told_as_such(town: Settings, site: Site) -> None:
    """The alerts are the same at the same times, of another colour."""
    found = rerun(town, START, END, Changes({f"{WATER}.severity": "Extreme"}), site=site)
    assert (found.came, found.gone, found.moved) == ((), (), ())
    assert {(one.severity_was, one.severity) for one in found.graded} == {("Moderate", "Extreme")}


def test_a_whole_pack_file_is_judged_by(town: Settings, site: Site, told: Told, tmp_path: Path) -> None:
    """As if its rules had been in force: here one is gone and one is new."""
    text = (FOLDER / "flood" / "pack.yaml").read_text()
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("PondingWarning", "PondingSoon").replace("value >= 0.15", "value >= 0.25"))
    found, expected = by_name(town, site, told, Changes(pack=path))
    assert summed(found) == expected
    assert {one.rule for one in found.came} == {"PondingSoon"}


def test_readings_to_score_are_known_before(town: Settings) -> None:
    """All of them for a score, none for a rule of zones."""
    every = sum(pq.read_metadata(path).num_rows for path in town.archive.glob("readings/day=*/*.parquet"))
    assert readings(town, START, END, Changes({f"{CAMERA}.expr": "score >= 5"})) == every
    assert readings(town, START, END, Changes({"holiday-crowd.ZoneSurge.for": "1m"})) == 0


def test_without_a_state_of_before_scores_are_refused(town: Settings, tmp_path: Path) -> None:
    """Two days before the span are the least to learn from; the message says since when there are readings."""
    bare = Settings(city="chengdu", data=tmp_path)
    bare.home.mkdir(parents=True)
    for name in ("archive", "register.parquet"):
        (bare.home / name).symlink_to(town.home / name)
    with pytest.raises(Refused, match="the archive begins at 2026-09-22 00:00:00 UTC, less than 2 days before"):
        rerun(bare, START, END, Changes({f"{CAMERA}.expr": "score >= 5"}))
    assert rerun(bare, START, END, Changes({f"{WATER}.for": "2m"})).as_recorded


def test_states_are_kept_once_a_day(town: Settings) -> None:
    """Under the time of the newest reading they know; the newest that knows nothing of the span is taken."""
    kept = states.keep(town)
    assert kept is not None
    assert states.keep(town) is None
    found = states.before(town, START)
    assert found is not None
    assert (found.time, sorted(path.name for path in kept.folder.iterdir())) == (
        START - 5_000,
        ["city", "events", "shard-0", "shard-1", "shard-2", "shard-3"],
    )
    assert states.before(town, START - 6_000) is None
