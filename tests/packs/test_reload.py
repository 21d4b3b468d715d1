"""Packs in force: a bad edit changes nothing, a good one is taken over, and one pack never harms another."""

from __future__ import annotations

import itertools
import os
import threading
from pathlib import Path

import pytest

from config.packs_reload import Packs, end_when_changed, measured
from config.settings import Settings
from tests.config.test_packs import Declared, sound, write

_moments = itertools.count(1_700_000_000_000_000_000, 1_000_000)  # ns: each file is written at another moment


def rewritten(root: Path, declared: Declared | str, name: str = "noise") -> None:
    """The pack's file anew, at another moment than before."""
    write(root, declared, name)
    moment = next(_moments)
    os.utime(root / name / "pack.yaml", ns=(moment, moment))


def other(name: str = "traffic") -> Declared:
    """A pack beside ``noise`` that watches other things."""
    declared = sound(name)
    declared["datastreams"][0]["property"] = "speed"
    declared["zones"][0]["property"] = "speed"
    for rule in declared["rules"]:
        rule["property"] = "speed"
    return declared


def test_a_bad_edit_leaves_the_version_before_in_force(tmp_path: Path) -> None:
    """It is told with file, key and remedy, and the next good edit is taken."""
    root = tmp_path / "packs"
    root.mkdir()
    rewritten(root, sound())
    rewritten(root, other(), "traffic")
    packs = Packs(root, tmp_path / "keep", writes=True)
    first = packs.states["noise"].version
    bad = sound()
    bad["rules"][0]["expr"] = "vlaue > 85"
    rewritten(root, bad)
    (line,) = packs.refresh()
    assert line == (
        'pack noise is refused: noise/pack.yaml: rules[0].expr: unknown column "vlaue"; did you mean "value"?; '
        f"version {first} stays in force"
    )
    assert (packs.states["noise"].state, packs.states["noise"].version) == ("refused", first)
    assert [pack.name for pack in packs.packs] == ["noise", "traffic"]
    assert packs.packs[0].rules[0].expr == "value > 85"
    good = sound()
    good["rules"][0]["expr"] = "value > 90"
    rewritten(root, good)
    packs.refresh()
    assert packs.states["noise"].state == "in-force"
    assert packs.packs[0].rules[0].expr == "value > 90"


def test_the_version_before_outlives_a_restart(tmp_path: Path) -> None:
    """A process that starts while the file is broken goes on with the copy of what was accepted."""
    root = tmp_path / "packs"
    root.mkdir()
    rewritten(root, sound())
    before = Packs(root, tmp_path / "keep", writes=True).states["noise"].version
    rewritten(root, "pack: [")
    packs = Packs(root, tmp_path / "keep")
    assert [pack.name for pack in packs.packs] == ["noise"]
    assert (packs.states["noise"].state, packs.states["noise"].version) == ("refused", before)
    assert packs.states["noise"].error.startswith("noise/pack.yaml: not YAML: ")


def test_what_a_process_has_in_force_stays_when_its_file_broke_since(tmp_path: Path) -> None:
    """Even where no copy was kept yet."""
    rewritten(tmp_path, sound())
    begun = Packs(tmp_path).packs
    rewritten(tmp_path, "pack: [")
    packs = Packs(tmp_path, before=begun)
    assert packs.packs[0] is begun[0]
    assert (packs.states["noise"].state, packs.states["noise"].version) == ("refused", begun[0].version)


def test_nothing_is_read_again_while_nothing_changes(tmp_path: Path) -> None:
    """A look at an unchanged folder gives no line."""
    rewritten(tmp_path, sound())
    packs = Packs(tmp_path)
    assert packs.refresh() == []


def test_a_draft_leaves_and_a_folder_that_goes_is_forgotten(tmp_path: Path) -> None:
    """Both are meant, so nothing of them stays in force."""
    rewritten(tmp_path, sound())
    rewritten(tmp_path, other(), "traffic")
    packs = Packs(tmp_path)
    rewritten(tmp_path, sound() | {"status": "draft"})
    (tmp_path / "traffic" / "pack.yaml").unlink()
    (tmp_path / "traffic").rmdir()
    assert packs.refresh() == ["pack noise is a draft", "pack traffic: its folder is gone; it is no longer in force"]
    assert packs.packs == ()
    assert {name: state.state for name, state in packs.states.items()} == {"noise": "draft"}


def test_a_new_pack_that_wants_what_another_has_is_refused(tmp_path: Path) -> None:
    """The one in force keeps it, whatever the names; when it lets go, the other is taken."""
    rewritten(tmp_path, sound("zebra"), "zebra")
    packs = Packs(tmp_path)
    rewritten(tmp_path, sound("aardvark"), "aardvark")
    packs.refresh()
    assert [pack.name for pack in packs.packs] == ["zebra"]
    assert "microphone/loudness is watched by zebra already" in packs.states["aardvark"].error
    rewritten(tmp_path, other("zebra"), "zebra")
    packs.refresh()
    assert [pack.name for pack in packs.packs] == ["aardvark", "zebra"]
    assert packs.states["aardvark"].error == ""


def test_an_edit_that_takes_away_what_another_names_is_refused(tmp_path: Path) -> None:
    """The pack that named it goes on unharmed."""
    rewritten(tmp_path, sound())
    leaning = other() | {"inhibit": [{"source": {"pack": "noise", "rule": "Loud"}, "target": {"rule": "Loud"}}]}
    rewritten(tmp_path, leaning, "traffic")
    packs = Packs(tmp_path)
    assert [pack.name for pack in packs.packs] == ["noise", "traffic"]
    without = sound()
    del without["rules"][0]
    rewritten(tmp_path, without)
    packs.refresh()
    assert [len(pack.rules) for pack in packs.packs] == [2, 2]
    assert 'noise has no rule "Loud"' in packs.states["noise"].error


def test_a_pack_may_name_one_that_is_refused(tmp_path: Path) -> None:
    """A broken neighbour is as if it were quiet."""
    leaning = other() | {"inhibit": [{"source": {"pack": "noise", "rule": "Loud"}, "target": {"rule": "Loud"}}]}
    rewritten(tmp_path, leaning, "traffic")
    rewritten(tmp_path, "pack: [")
    assert [pack.name for pack in Packs(tmp_path).packs] == ["traffic"]


@pytest.mark.parametrize(("key", "value", "ends"), [("cadence", "30s", True), ("unit", "dB", False)])
def test_a_role_starts_anew_when_what_it_works_by_changes(tmp_path: Path, key: str, value: str, ends: bool) -> None:
    """Another cadence is another layout; a file that says the same is none."""
    root = tmp_path / "packs"
    root.mkdir()
    rewritten(root, sound())
    left = threading.Event()
    over = end_when_changed(Settings(data=tmp_path), measured, left.set, 0.02, root)
    changed = sound()
    changed["datastreams"][0][key] = value
    rewritten(root, changed)
    assert left.wait(10 if ends else 0.3) == ends
    over.set()
