"""A pack's scene and a city's playlist as declared: defaults, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from config import pack as packs
from config import playlist
from config.duty_files import DutyError
from config.scenes import Figure, SceneError, SceneKey, scene
from models.values import Text

TITLE = Text("Flood", "内涝")


def made(section: dict[str, Any]) -> Any:
    key = msgspec.convert(section, SceneKey)
    return scene(key, "flood", TITLE, ["water_level", "rainfall"], ["people"], ())


def test_a_pack_that_declares_nothing_has_a_scene() -> None:
    """Peaks of its properties, how many report, and its trends."""
    it = made({})
    assert [(one.property, one.of) for one in it.figures] == [
        ("water_level", "max"), ("rainfall", "max"), ("water_level", "count"),
    ]  # fmt: skip
    assert (it.title, it.trend, it.heat) == (TITLE, ("water_level", "rainfall"), ("water_level", "rainfall"))


def test_every_shipped_pack_has_a_scene() -> None:
    """What is shipped can be shown."""
    assert all(pack.scene is not None for pack in packs.load_all())


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"figures": [{"property": "depth"}]}, "figures[0].property: 'depth' is not one of the pack's datastreams"),
        ({"figures": [{}]}, "figures[0]: nothing is given; give one of property, alerts, units, told"),
        ({"figures": [{"property": "rainfall", "told": "x"}]}, "property and told is given"),
        ({"figures": [{"property": "rainfall", "of": "above"}]}, "of: above and line belong together"),
        ({"figures": [{"alerts": ["Nothing"]}]}, "'Nothing' is no rule of the pack"),
        ({"figures": [{"units": ["pump"]}]}, "figures[0].title: missing"),
        ({"trend": ["people"]}, "trend[0]: 'people'"),
        ({"heat": "people"}, "heat: 'people'"),
        ({"table": {"property": "rainfall"}}, "'rainfall' is not summed over zones"),
        ({"table": {}}, "property or told"),
        (
            {"stages": {"property": "rainfall", "steps": [{"from": s, "title": {"en": "", "zh": ""}} for s in (2, 1)]}},
            "does not rise",
        ),
    ],
)
def test_a_scene_that_cannot_be_shown_is_refused_with_the_remedy(section: dict[str, Any], words: str) -> None:
    """The message names the key and the value."""
    with pytest.raises(SceneError) as told:
        made(section)
    assert words in str(told.value)


def test_the_default_playlist_is_the_overview_and_every_live_pack(tmp_path: Path) -> None:
    """A new pack is on the wall without anybody's doing."""
    program = playlist.load(tmp_path, ["flood", "wind"])
    assert [turn.scene for turn in program.of("wall-1")] == ["overview", "flood", "wind", "sources", "quality"]
    assert program.takeover[0].severity == "Extreme"


def test_a_display_may_have_a_playlist_of_its_own(tmp_path: Path) -> None:
    """The others keep the common one."""
    (tmp_path / "wall.yaml").write_text(
        "playlist: [{scene: overview, dwell_s: 60}]\ndisplays: {lobby: [{scene: flood, dwell_s: 30}]}\n"
    )
    program = playlist.load(tmp_path, ["flood"])
    assert [turn.scene for turn in program.of("lobby")] == ["flood"]
    assert [turn.scene for turn in program.of("wall-1")] == ["overview"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("playlist: [{scene: moon, dwell_s: 60}]", "playlist[0].scene: 'moon' is none; use one of overview"),
        ("playlist: [{scene: overview, dwell_s: 1}]", "dwell_s: 1 is not between 5 and 3600 s"),
        ("playlist: []", "playlist"),
        ("playlist: [{scene: overview, dwell_s: 60}]\ntakeover: [{packs: [moon]}]", "takeover[0].packs: 'moon'"),
        ("playlist: [{scene: overview, dwell_s: 60}]\ntakeover: [{when: soon}]", "soon"),
    ],
)
def test_a_program_that_cannot_run_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """File, key, value and remedy stand in the message."""
    (tmp_path / "wall.yaml").write_text(text)
    with pytest.raises(DutyError) as told:
        playlist.load(tmp_path, ["flood"])
    assert words in str(told.value)


def test_a_figure_is_what_it_says() -> None:
    """The struct refuses words it does not know."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"property": "x", "of": "median"}, Figure)
