"""``citybrain packs``: listed as declared, and every fault told at once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from citybrain.commands.packs import check, show
from config.pack import FOLDER


@pytest.fixture
def packs(tmp_path: Path) -> Path:
    """A copy of two of the shipped packs."""
    for name in ("flood", "holiday-crowd"):
        shutil.copytree(FOLDER / name, tmp_path / "packs" / name)
    return tmp_path / "packs"


def edited(packs: Path, pack: str, old: str, new: str) -> None:
    """Change one word of a pack."""
    path = packs / pack / "pack.yaml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def test_the_shipped_packs_are_sound(capsys: pytest.CaptureFixture[str]) -> None:
    """check() of what we ship exits 0."""
    assert check() == 0
    assert "0 faults" in capsys.readouterr().err


def test_every_refused_pack_is_told_and_not_the_first_alone(packs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two broken packs and a folder without a pack.yaml are three lines, each with file and key."""
    edited(packs, "flood", "severity:", "severty:")
    edited(packs, "holiday-crowd", "cadence: 5s", "cadence: often")
    (packs / "empty").mkdir()
    assert check(packs) == 1
    lines = capsys.readouterr().err.splitlines()
    refused = [line for line in lines if "/pack.yaml: " in line and "tests: []" not in line]
    assert [line.partition(":")[0] for line in refused] == [
        "empty/pack.yaml",
        "flood/pack.yaml",
        "holiday-crowd/pack.yaml",
    ]
    assert 'rules[0].severty: there is no such key; did you mean "severity"?' in refused[1]
    assert 'datastreams[0].cadence: "often" is no duration; write a number and ms, s, m, h or d' in refused[2]
    assert lines[-1].startswith("3 packs checked, ")


def test_two_packs_that_watch_the_same_are_told(packs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sound alone, they contradict each other."""
    shutil.copytree(packs / "flood", packs / "flood-too")
    edited(packs, "flood-too", "pack: flood", "pack: flood-too")
    assert check(packs) == 1
    assert "is watched by flood already" in capsys.readouterr().err


def test_the_list_names_each_pack_with_its_status(capsys: pytest.CaptureFixture[str]) -> None:
    """One line a pack."""
    assert show(as_json=False) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(path.parent.name for path in FOLDER.glob("*/pack.yaml"))
    assert {line.split()[1] for line in lines} <= {"live", "trial", "draft"}


def test_the_list_as_json_tells_why_a_pack_is_refused(packs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The others are listed all the same."""
    edited(packs, "flood", "severity:", "severty:")
    assert show(as_json=True, folder=packs) == 0
    rows = {row["pack"]: row for row in json.loads(capsys.readouterr().out)["packs"]}
    assert rows["flood"]["status"] == "refused"
    assert "severty" in rows["flood"]["reason"]
    assert rows["holiday-crowd"]["status"] == "live"
    assert "people" in rows["holiday-crowd"]["watches"]
