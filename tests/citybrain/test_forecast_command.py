"""``citybrain forecast``: taught from a real archive, tried on its last day."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from citybrain import prepare
from citybrain.commands import forecast
from citybrain.commands.forecast import TrainingError
from config import site as sites
from config.settings import Settings
from config.site import Site
from models.batch import batch
from models.forecast import growing
from models.forecast.values import PROFILE
from sensors.simulate import auckland
from streams.archive import ReadingsWriter
from streams.outlook import Outlooks
from streams.rollup import Rollup
from streams.teacher import Teacher
from streams.trained import Versions

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before scikit-learn is loaded
HOUR = 3_600_000


def instant(text: str) -> int:
    """ms of a UTC time."""
    return int(np.datetime64(text, "ms").astype(np.int64))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Auckland with the real counts of 20 days in its archive, written by the archive's own writer."""
    settings = Settings(city="auckland", data=tmp_path_factory.mktemp("data"))
    prepare.make_register(settings)
    site = sites.load(settings)
    counts = auckland.replay(site.register)
    first, end = counts.between(instant("2022-11-01"), instant("2022-11-21"))
    writer = ReadingsWriter(settings.archive / "readings", site.layouts.shards[0])
    for offset, start in enumerate(range(first, end, 2_000)):
        part = slice(start, min(start + 2_000, end))
        writer.take(offset, batch(counts.rows[part], counts.time_ms[part], counts.value[part], source="test"))
        writer.flush()
    return site


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of the trees teach enough here."""
    monkeypatch.setattr(growing, "TREES", 10)
    monkeypatch.setattr(os, "nice", lambda _: 0)  # the tests go on in this process


def rollup(site: Site) -> Rollup:
    """Pedestrians hour by hour."""
    settings = site.settings
    return Rollup(settings.archive, settings.trained / "steps", site.layouts, "pedestrians", HOUR)


def test_the_archive_rolled_up_is_what_was_counted(site: Site) -> None:
    """The whole city's sum of each hour is that of the counters, made up for those that are silent; days are kept."""
    one = rollup(site)
    days = one.days()
    first, values = one.read(days, "2022-11-19")
    assert values.shape == (20 * 24, len(one.series))
    counts = auckland.replay(site.register)
    hour = instant("2022-11-09T04:00")
    here = counts.time_ms == hour
    city = next(n for n, row in enumerate(one.series) if site.layouts.series[row].zone_kind == "city")
    members = site.layouts.series[one.series[city]].members
    wanted = counts.value[here].sum() / here.sum() * members
    assert values[hour // HOUR - 1 - first, city] == pytest.approx(wanted)
    kept = sorted(path.name[-14:-4] for path in one.kept.glob("pedestrians-60min-*.npz"))
    assert kept == [day for day in days if day < "2022-11-19"]
    np.testing.assert_array_equal(one.read(days, "2022-11-19")[1], values)


def test_training_takes_up_the_best_and_can_go_back(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON object says what was tried, the list names it; by hand the profile is taken up, and the trees again."""
    assert forecast.train(site.settings, as_json=True) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])["pedestrians"]
    assert set(told["losses"]) == {told["version"], PROFILE}
    assert told["in_use"] == min(told["losses"], key=told["losses"].__getitem__)
    assert forecast.show(site.settings, as_json=True) == 0
    listed = json.loads(capsys.readouterr().out)["pedestrians"]
    assert list(listed["versions"]) == [told["version"]]
    for name in (PROFILE, told["version"]):
        assert forecast.use(site.settings, name) == 0
        assert Versions(site.settings.trained / "pedestrians").book().current == name
    with pytest.raises(TrainingError, match="no version 'nonsense'"):
        forecast.use(site.settings, "nonsense")


def test_too_little_history_is_said_and_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty archive: exit 1 and the reason; the profile stays in use."""
    settings = Settings(city="auckland", data=tmp_path)
    assert forecast.train(settings, as_json=False) == 1
    assert "the archive holds 0.0 days; at least 4 are needed" in capsys.readouterr().err
    assert forecast.show(settings, as_json=False) == 0
    assert "in use profile" in capsys.readouterr().out


def test_only_one_trains_at_a_time(site: Site) -> None:
    """The second says so at once."""
    with forecast._alone(site.settings), pytest.raises(TrainingError, match="going on"):
        forecast.train(site.settings, as_json=False)


def test_the_picture_takes_up_the_version_in_use(site: Site) -> None:
    """What the wall is told names the version; taken back by hand it is the profile's again."""
    versions = Versions(site.settings.trained / "pedestrians")
    engine, outlooks = site.layouts.city_engine(), Outlooks(site)
    counts = auckland.replay(site.register)
    first, end = counts.between(instant("2022-11-01"), instant("2022-11-14"))
    shard = site.layouts.engine(0)
    step = shard.step(batch(counts.rows[first:end], counts.time_ms[first:end], counts.value[first:end]))
    ticks = [tick for partial in step.partials for tick in engine.step(partial)]
    body = outlooks.told(ticks[-1].start + HOUR, ticks[-1].ahead)
    assert body["versions"] == {"pedestrians": PROFILE}
    name = versions.book().versions[-1].name
    for wanted in (name, PROFILE):
        versions.use(wanted, versions.book().tried + 1)
        asyncio.run(outlooks._look("pedestrians", ticks[-1].ahead["pedestrians"]))
        body = outlooks.told(ticks[-1].start + HOUR, ticks[-1].ahead)
        assert body["versions"] == {"pedestrians": wanted}
    row = next(row for row in body["rows"] if row["zone"] == "auckland")
    assert row["middle"][:2] == [None, None]
    assert row["low"][2][1] <= row["low"][2][0] <= row["middle"][2] <= row["high"][2][0] <= row["high"][2][1]


def test_the_schedule_waits_its_time(site: Site) -> None:
    """Due when the last try is a day old; never where the period is 0 or nothing is to be run."""
    tried_s = Versions(site.settings.trained / "pedestrians").book().tried / 1000
    teacher = Teacher(site, ["true"])
    assert not teacher.due(tried_s + 86_399)
    assert teacher.due(tried_s + 86_401)
    never = replace(site, settings=site.settings.model_copy(update={"train_every_h": 0.0}))
    assert not Teacher(never, ["true"]).due(tried_s + 1e9)
    assert not Teacher(site, []).due(tried_s + 1e9)


def test_a_training_that_fails_harms_nobody(site: Site) -> None:
    """Its exit code is told, and the archive goes on."""
    command = [sys.executable, "-c", "import sys; print('too little', file=sys.stderr); sys.exit(1)"]
    assert asyncio.run(Teacher(site, command).train()) == 1
