"""Drills as declared: the shipped ones are sound, and each mistake is named with file, key, value and remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from config import city as cities
from config import drills, packs_reload
from config.city import City
from config.drills import DrillError

GOOD: dict[str, Any] = {
    "drill": "mine",
    "title": {"en": "Mine", "zh": "演练"},
    "city": "chengdu",
    "lasts": "10m",
    "inject": [{"name": "crowd", "at": "60s", "what": "surge", "place": "chunxi-road"}],
    "expect": [{"name": "seen", "after": "crowd", "alert": "holiday-crowd/ZoneCrush", "within": "60s"}],
}


@pytest.fixture(scope="module")
def city() -> City:
    """Chengdu as declared."""
    return cities.load("chengdu")


def written(folder: Path, pack: str = "holiday-crowd", **changed: Any) -> Path:
    """The good drill with some keys changed, as a file."""
    path = folder / pack / "drills" / "mine.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(GOOD | changed, allow_unicode=True), "utf-8")
    return path


def inject(**changed: Any) -> dict[str, Any]:
    """The good drill's injection with some keys changed."""
    return {"inject": [GOOD["inject"][0] | changed]}


def expect(*rows: dict[str, Any]) -> dict[str, Any]:
    """The good drill with these expectations."""
    return {"expect": [*GOOD["expect"], *rows]}


def test_the_shipped_drills_are_sound(city: City) -> None:
    """Each is loaded whole, and its city has the places it names."""
    known = packs_reload.sound()
    loaded = {one.name: drills.load(one.path, city, known) for one in drills.listed()}
    assert {"surge-at-chunxi-road", "blind-cameras", "cloudburst-in-jinniu"} <= set(loaded)


def test_a_drill_is_found_by_its_name_its_pack_or_its_file(tmp_path: Path) -> None:
    """A name that nobody has lists those there are."""
    path = written(tmp_path)
    assert drills.find("mine", tmp_path).path == path
    assert drills.find("holiday-crowd/mine", tmp_path).path == path
    assert drills.find(str(path)).pack == "holiday-crowd"
    with pytest.raises(DrillError, match="no drill 'nothing'; there are: mine"):
        drills.find("nothing", tmp_path)
    written(tmp_path, "flood")
    with pytest.raises(DrillError, match="a drill of flood and holiday-crowd; say PACK/mine"):
        drills.find("mine", tmp_path)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"drill": "other"}, "drill: 'other' is not the file's name; write drill: mine"),
        ({"city": "atlantis"}, "city: city 'atlantis' has no pack"),
        ({"lasts": "ten minutes"}, "lasts: 'ten minutes' is no duration; write a number and ms, s, m, h or d"),
        ({"lasts": "9h"}, "lasts: 9h is not between 1s and 4h"),
        ({"lasts": "30s"}, "inject[0].at: 60s is not before the drill's end; lasts is 30s"),
        ({"begins": "tomorrow"}, "begins: 'tomorrow' is no local time; write it as"),
        ({"nonsense": 1}, "Object contains unknown field `nonsense`"),
        ({"inject": []}, "inject: [] is no list with at least one entry"),
        (inject(what="earthquake"), "inject[0].what: 'earthquake' is nothing to inject; use one of surge, stuck"),
        (inject(place="chunxi-raod"), "inject[0].place: chengdu has no zone 'chunxi-raod'; did you mean chunxi-road"),
        (inject(factor=-1), "inject[0].factor: -1: Expected `float` > 0"),
        (inject(at="soon"), "inject[0].at: 'soon' is no duration"),
        (inject(name="seen"), "the name 'seen' is given 2 times; give each its own"),
        ({"inject": [{"name": "crowd", "at": "1s", "what": "unit-breakdown", "kind": "tank"}]},
         "inject[0].kind: chengdu has no units of kind 'tank'; use ambulance"),
        ({"inject": [{"name": "crowd", "at": "1s", "what": "unit-breakdown", "unit": "x"}]},
         "inject[0].unit: chengdu has no unit 'x'; they are named as"),
        ({"inject": [{"name": "crowd", "at": "1s", "what": "change", "property": "people", "place": "jinli"}]},
         "inject[0]: a change has exactly one of to, plus and times"),
        ({"expect": [{"after": "crowd", "alert": "holiday-crowd/Nothing", "within": "60s"}]},
         "expect[0].alert: there is no rule 'holiday-crowd/Nothing'; use one of"),
        ({"expect": [{"after": "flood", "alert": "holiday-crowd/ZoneCrush", "within": "60s"}]},
         "expect[0].after: 'flood' is no injection and nothing expected before; use crowd"),
        ({"expect": [{"after": "crowd", "within": "60s"}]}, "expect[0]: say exactly one of alert, acknowledged"),
        ({"expect": [{"after": "crowd", "acknowledged": True, "within": "60s"}]},
         "expect[0].after: 'crowd' leads to no alert; name the expectation of the alert"),
        ({"expect": [{"after": "crowd", "told": 5, "within": "60s"}]}, "expect[0].after: 'crowd' is no warning"),
        (expect({"after": "seen", "plan": "perhaps", "within": "60s"}), "expect[1].plan: 'perhaps': Invalid enum"),
        (expect({"after": "seen", "acknowledged": True, "within": "0s"}), "expect[1].within: 0s leaves no time"),
        (expect({"after": "seen", "alert": "flood/PondingWarning", "place": "moon", "within": "9s"}),
         "expect[1].place: chengdu has no zone 'moon'"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_remedy(tmp_path: Path, city: City, changed: dict[str, Any], said: str) -> None:
    """The message begins with the file and holds key, value and what to write instead."""
    path = written(tmp_path, **changed)
    with pytest.raises(DrillError) as caught:
        drills.load(path, None if "city" in changed else city)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)


def test_a_drill_of_a_pack_that_is_not_there(tmp_path: Path, city: City) -> None:
    """The message lists the packs in force."""
    with pytest.raises(DrillError, match=r"the pack 'volcano' is not in force; there are: .*holiday-crowd"):
        drills.load(written(tmp_path, "volcano"), city)


def test_what_is_no_yaml_is_refused(tmp_path: Path, city: City) -> None:
    """Broken YAML, and YAML that is no mapping."""
    path = written(tmp_path)
    path.write_text("drill: [", "utf-8")
    with pytest.raises(DrillError, match="no YAML"):
        drills.load(path, city)
    path.write_text("- 1", "utf-8")
    with pytest.raises(DrillError, match="is no mapping; begin with drill: mine"):
        drills.load(path, city)
