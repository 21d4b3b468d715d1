"""The versions of what was learned, on disk."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import pytest

from models.forecast.quantiles import QUANTILES, Learned
from models.forecast.steps import FEATURES
from models.forecast.trees import Trees
from models.forecast.values import PROFILE
from streams.trained import KEEP, Versions

NOW = 1_790_000_000_000


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes end here, not the power: nothing need reach the disk itself."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def learned(value: float = 0.0) -> Learned:
    """Trees that say ``value`` whatever they see."""
    leaf = Trees(
        feature=np.array([-1], np.int16),
        threshold=np.zeros(1),
        missing_left=np.zeros(1, np.bool_),
        left=np.zeros(1, np.int32),
        right=np.zeros(1, np.int32),
        value=np.array([value]),
        root=np.zeros(1, np.int32),
        start=0.0,
        features=len(FEATURES),
    )
    return Learned((leaf,) * len(QUANTILES), ("square",), 900_000)


def test_without_training_the_profile_is_in_use(tmp_path: Path) -> None:
    """And nothing is on the disk."""
    versions = Versions(tmp_path / "people")
    assert versions.book().current == PROFILE
    assert versions.candidates() == {}
    assert versions.stamp() == 0


def test_a_saved_version_is_used_and_the_one_before_remembered(tmp_path: Path) -> None:
    """Until the next one, and back again by hand."""
    versions = Versions(tmp_path)
    for number, name in enumerate(("a", "b")):
        versions.save(name, learned(number), {name: 0.1}, NOW + number)
        versions.use(name, NOW + number)
    assert (versions.book().current, versions.book().previous) == ("b", "a")
    assert sorted(versions.candidates()) == ["a", "b"]
    versions.use("a", NOW + 2)
    assert (versions.book().current, versions.book().previous) == ("a", "b")
    found = versions.load("a")
    assert found is not None
    assert found.trees[0].value.tolist() == [0.0]


def test_the_book_changes_its_stamp(tmp_path: Path) -> None:
    """By it the worker sees that there is something new."""
    versions = Versions(tmp_path)
    versions.save("a", learned(), {}, NOW)
    before = versions.stamp()
    os.utime(tmp_path / "versions.json", ns=(1, 1))
    versions.use("a", NOW)
    assert versions.stamp() not in (1, 0)
    assert before != 0


def test_old_versions_go_but_not_those_in_use(tmp_path: Path) -> None:
    """Of ten the newest are kept, the one in use and the one before it among them."""
    versions = Versions(tmp_path)
    versions.save("first", learned(), {}, NOW)
    versions.use("first", NOW)
    for number in range(10):
        versions.save(f"v{number}", learned(), {}, NOW + 1 + number)
        versions.use("first", NOW + 1 + number)
    names = [one.name for one in versions.book().versions]
    assert len(names) == KEEP
    assert names[0] == "first"
    assert names[-1] == "v9"
    assert sorted(path.stem for path in tmp_path.glob("*.npz")) == sorted(names)


def test_a_changed_file_is_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Torn or tampered with: its digest tells, and the log says what to do."""
    versions = Versions(tmp_path)
    versions.save("a", learned(), {}, NOW)
    path = tmp_path / "a.npz"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with caplog.at_level(logging.ERROR):
        assert versions.load("a") is None
    assert "train again" in caplog.text


def test_what_is_no_version_is_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A name that leads out of the folder is none of the book's, and a book that cannot be read counts as none."""
    versions = Versions(tmp_path)
    assert versions.load("../../etc/passwd") is None
    (tmp_path / "versions.json").write_text('{"current": 7}')
    with caplog.at_level(logging.ERROR):
        assert versions.book().current == PROFILE
    assert "until the next training" in caplog.text


def test_a_try_that_gave_nothing_is_remembered(tmp_path: Path) -> None:
    """So that the next one waits its time; the version in use stays."""
    versions = Versions(tmp_path)
    versions.save("a", learned(), {}, NOW)
    versions.use("a", NOW)
    versions.was_tried(NOW + 5)
    assert (versions.book().tried, versions.book().current) == (NOW + 5, "a")
