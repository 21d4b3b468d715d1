"""docs/adding-a-scenario.md and the example of docs/packs-format.md do what they say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from citybrain.packs import begin, complete, trial
from config import drills
from config import pack as packs
from config.pack import load

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str) -> list[dict[str, Any]]:
    """The YAML on a page."""
    return [
        yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The pack that the page leads to: what ``packs new`` made, written over with each of its steps."""
    begin.begin(tmp_path, "lift-rescue", "trapped", "lift")
    path = tmp_path / "lift-rescue" / "pack.yaml"
    declared = packs.read(path.parent)
    *steps, drill = blocks("adding-a-scenario.md")
    for step in steps:
        declared |= step
    path.write_text(yaml.safe_dump(declared | {"status": "trial"}, allow_unicode=True), "utf-8")
    (path.parent / "drills" / "lift-rescue-first.yaml").unlink()
    (path.parent / "drills" / f"{drill['drill']}.yaml").write_text(yaml.safe_dump(drill, allow_unicode=True), "utf-8")
    return tmp_path


def test_the_steps_of_the_page_make_a_sound_pack_whose_tests_hold(folder: Path) -> None:
    """Nothing is left to find out."""
    assert complete.faults(folder) == []
    results = trial.run(load(folder / "lift-rescue"))
    assert [result.faults for result in results] == [(), ()]


def test_the_drill_of_the_page_can_be_run(folder: Path) -> None:
    """It is checked against the pack and the city."""
    (listed,) = drills.listed(folder)
    drill = drills.load(listed.path, loaded=[load(folder / "lift-rescue")])
    assert (drill.drill, listed.pack) == ("lift-in-wuhou", "lift-rescue")


def test_the_example_of_the_format_page_holds_its_own_tests(tmp_path: Path) -> None:
    """The pack on that page too."""
    path = tmp_path / "noise" / "pack.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(blocks("packs-format.md")[0], allow_unicode=True), "utf-8")
    (result,) = trial.run(load(path.parent))
    assert (result.faults, [one.alert for one in result.fired]) == ((), ["LoudNight"])
