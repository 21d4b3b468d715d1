"""The wall's page: every scene is in it, none holds data, and each has its address."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dash.development.base_component import Component

from config import pack as packs
from config import playlist
from config.city import City
from config.playlist import Turn
from wall import scenes
from wall.routes import Stage
from wall.scenery import Shows
from wall.scenes import wall as big_screen
from wall.words import LANGUAGES, Language

SHOWS = Shows(packs.load_all())


def walk(node: Any) -> Iterator[Component]:
    if isinstance(node, Component):
        yield node
        node = getattr(node, "children", None)
    for child in node if isinstance(node, list | tuple) else [node]:
        if isinstance(child, Component):
            yield from walk(child)


def named(lang: Language) -> list[str]:
    page = big_screen.layout("t", lang, SHOWS.scenes)
    return [getattr(it, "data-name") for it in walk(page) if hasattr(it, "data-name")]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_wall_has_a_scene_for_every_live_pack(lang: Language) -> None:
    """The overview first, the emergency last, each once, in both languages."""
    names = named(lang)
    assert names == ["overview", *(scene.pack for scene in SHOWS.scenes), "sources", "quality", "takeover"]


def test_every_part_of_the_wall_is_drawn_by_a_module() -> None:
    """A part without its JavaScript would be an empty panel."""
    known = big_screen_source().split("const PARTS")[1].split("};")[0]
    page = big_screen.layout("t", "en", SHOWS.scenes)
    parts = {getattr(it, "data-part") for it in walk(page) if hasattr(it, "data-part")}
    assert [part for part in sorted(parts) if f"{part}:" not in known] == []


def test_every_scene_has_an_address() -> None:
    """/wall/<scene> is the wall's page; another path is none."""
    assert scenes.at("/wall") is big_screen
    assert scenes.at("/wall/flood") is big_screen
    assert scenes.at("/walls") is None


def test_every_rule_of_a_live_pack_has_a_title_in_both_languages(chengdu: City) -> None:
    """Where alerts are counted by rule, a page names the rule in its own language."""
    told = Stage(playlist.load(chengdu.folder, []), SHOWS.scenes, SHOWS.titles).told("")["rules"]
    rules = [f"{pack.name}.{rule.name}" for pack in SHOWS.packs if pack.status == "live" for rule in pack.rules]
    assert [name for name in rules if not (told.get(name, {}).get("en") and told[name].get("zh"))] == []
    assert told["flood.PumpDown"] == {"en": "Pump down", "zh": "泵站停运"}


def test_a_page_knows_what_a_rule_counts(chengdu: City) -> None:
    """People have a counting word, pumps that stand have none: so a page is told what each rule is about."""
    told = Stage(playlist.load(chengdu.folder, []), SHOWS.scenes, subjects=SHOWS.subjects).told("")["subjects"]
    assert (told["holiday-crowd.ZoneSurge"], told["flood.PumpDown"]) == ("people", "pump_running")


def test_every_map_of_a_pack_is_there_in_both_views() -> None:
    """A wide wall has the whole city and its core side by side; narrow ones leave the second map away."""
    page = big_screen.layout("t", "en", SHOWS.scenes)
    maps = [
        it for it in walk(page) if getattr(it, "data-part", "") == "map" and getattr(it, "data-pack", "") == "flood"
    ]
    assert [(getattr(it, "data-view"), "beside" in str(it)) for it in maps] == [
        ("core", False), ("whole", True),
    ]  # fmt: skip


def test_a_display_is_told_its_own_playlist(chengdu: City) -> None:
    """What a browser gets once: turns, the hour of its reload, what the packs declared."""
    program = playlist.load(chengdu.folder, [scene.pack for scene in SHOWS.scenes])
    told = Stage(program, SHOWS.scenes).told("wall-1")
    assert told["playlist"][0] == {"scene": "overview", "dwell_s": 60.0}
    assert told["reload_hour"] == 4
    assert set(told["scenes"]) == {scene.pack for scene in SHOWS.scenes}
    own = Stage(type(program)((Turn("overview", 9.0),), {"lobby": (Turn("quality", 7.0),)}, (), 3), ())
    assert own.told("lobby")["playlist"] == [{"scene": "quality", "dwell_s": 7.0}]


def big_screen_source() -> str:
    return (Path(scenes.__file__).parents[1] / "assets" / "js" / "app.mjs").read_text("utf-8")
