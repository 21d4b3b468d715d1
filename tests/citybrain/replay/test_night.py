"""Auckland's New Year's Eve of 2019 replays from the archive, and its re-run agrees with the night lived anew."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest

from citybrain.archive.reader import Archive
from citybrain.replay.changes import Changes
from citybrain.replay.recording import Span
from citybrain.replay.rerun import rerun
from config.site import Site
from models.batch import Batch
from models.values import Detection
from tests.citybrain.replay import night
from tests.citybrain.replay.night import END, HOUR_MS

START = END - 4 * 24 * HOUR_MS
MIDNIGHT = 1_577_790_000_000  # 2020-01-01 00:00 in Auckland
Moment = tuple[str, int]
Lived = tuple[Site, list[Batch], set[Moment]]
FEWER = 0.02  # alerts an hour


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    """The weeks in the archive, at six alerts an hour, and the alerts of the last days."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda _: None)
        site = night.town(tmp_path_factory.mktemp("night"))
        counts = list(night.batches(site))
        yield site, counts, fired(night.live(site, counts, 6.0, site.settings.archive))


def fired(some: list[Detection]) -> set[Moment]:
    """The alerts that were told in the span, and when."""
    return {(one.id, one.time) for one in some if one.state == "firing" and START <= one.time <= END}


def test_the_night_comes_back_as_it_was_counted(lived: Lived) -> None:
    """An hour after midnight every counter shows its own count of that hour."""
    site, counts, _ = lived
    span = Span(Archive.of(site.settings), site.settings.home, site.city, site.register, START, END)
    shot = span.shot(MIDNIGHT + HOUR_MS)
    told = (zip(batch.datastream.tolist(), batch.time.tolist(), batch.value.tolist(), strict=True) for batch in counts)
    last = {row: value for some in told for row, at, value in some if at <= MIDNIGHT + HOUR_MS}
    rows = sorted(last)
    np.testing.assert_array_equal(shot.value[rows], np.array([last[row] for row in rows], np.float32))


def test_another_budget_gives_what_the_night_at_that_budget_gives(lived: Lived) -> None:
    """The difference table is the plain difference of two lives, one at each budget."""
    site, counts, before = lived
    after = fired(night.live(site, counts, FEWER))
    found = rerun(site.settings, START, END, Changes(budget=FEWER), site=site)
    assert found.as_recorded
    assert (found.before.alerts, found.after.alerts) == (len(before), len(after))
    assert {(one.id, one.time) for one in found.gone} == before - after
    assert {(one.id, one.time) for one in found.came} == after - before
    assert (found.moved, found.same) == ((), len(before & after))
    assert len(before - after) >= 2
