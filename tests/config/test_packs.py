"""Packs: the shipped ones load, and each way of breaking one is refused with file, key, value and remedy."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from config import pack as packs
from config.pack import PackError
from models import detectors
from models.values import Text

Declared = dict[str, Any]


def sound(name: str = "noise") -> Declared:
    """A pack with everything in it."""
    return {
        "pack": name,
        "title": {"en": "Noise", "zh": "噪声"},
        "owner": {"en": "Environment bureau", "zh": "生态环境局"},
        "domain": "environment",
        "status": "live",
        "datastreams": [
            {
                "property": "loudness",
                "kinds": ["microphone", "lamp"],
                "unit": "dB",
                "range": [20, 140],
                "cadence": "90s",
                "detector": "seasonal-baseline",
                "parameters": {"counts": False},
            }
        ],
        "zones": [{"property": "loudness", "detector": "running-level", "parameters": {"memory": 100}}],
        "rules": [
            {
                "alert": "Loud",
                "reads": "datastreams",
                "property": "loudness",
                "expr": "value > 85",
                "severity": "Minor",
                "for": "1.5m",
                "headline": {"en": "{place}: {value} {unit}", "zh": "{place}：{value} {unit}"},
            },
            {
                "alert": "LoudZone",
                "reads": "zones",
                "property": "loudness",
                "expr": "score > 6",
                "clear": "score < 2",
                "clear_for": "1h",
                "watch": 2,
                "kind": "data-quality",
                "labels": {"team": "noise"},
                "severity": "Severe",
                "headline": {"en": "{place}: {ratio} times", "zh": "{place}：{ratio} 倍"},
            },
        ],
    }


def write(root: Path, declared: Declared | str | bytes, name: str = "noise") -> Path:
    """The pack's folder with this in its file."""
    folder = root / name
    folder.mkdir(exist_ok=True)
    text = declared if isinstance(declared, str | bytes) else yaml.safe_dump(declared, allow_unicode=True)
    (folder / "pack.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def test_the_shipped_packs_load() -> None:
    """Holiday crowds and flood are live and complete."""
    loaded = {pack.name: pack for pack in packs.load_all()}
    assert {"flood", "holiday-crowd"} <= set(loaded)
    crowd = loaded["holiday-crowd"]
    assert crowd.title == Text(en="Holiday crowds", zh="节假日客流")
    assert {"people", "visitors", "pedestrians"} <= {watched.property for watched in crowd.watched}
    assert (crowd.watched[0].cadence_s, crowd.watched[0].low, crowd.watched[0].high) == (5.0, 0.0, 5_000.0)
    assert crowd.zones["people"] == detectors.get("running-level")
    assert {rule.pack for rule in crowd.rules} == {"holiday-crowd"}


@pytest.mark.parametrize(
    "folder", sorted(path.parent for path in packs.FOLDER.glob("*/pack.yaml")), ids=lambda p: p.name
)
def test_every_shipped_pack_speaks_both_languages(folder: Path) -> None:
    """Each pack, draft or not, loads, and titles and headlines are Chinese where they should be."""
    pack = packs.load(folder)
    texts = [pack.title, pack.owner, *(rule.headline for rule in pack.rules)]
    assert [text.zh for text in texts if not re.search(r"[\u4e00-\u9fff]", text.zh)] == []
    assert [text.en for text in texts if re.search(r"[\u4e00-\u9fff]", text.en)] == []


def test_everything_declared_is_there(tmp_path: Path) -> None:
    """Each key of the file has its effect."""
    pack = packs.load(write(tmp_path, sound()))
    assert (pack.name, pack.domain, pack.status, pack.owner.zh) == ("noise", "environment", "live", "生态环境局")
    (watched,) = pack.watched
    assert (watched.kinds, watched.unit, watched.cadence_s) == (("microphone", "lamp"), "dB", 90.0)
    assert watched.detector == detectors.get("seasonal-baseline", {"counts": False})
    assert pack.zones == {"loudness": detectors.get("running-level", {"memory": 100})}
    loud, zone = pack.rules
    assert (loud.name, loud.reads, loud.property, loud.severity) == ("Loud", "datastreams", "loudness", "Minor")
    assert (loud.for_ms, loud.clear_for_ms, loud.watch, loud.kind) == (90_000, 0, 0.0, "event")
    assert loud.clear == "NOT (value > 85)"
    assert (zone.clear, zone.clear_for_ms, zone.watch, zone.kind, zone.labels) == (
        "score < 2", 3_600_000, 2.0, "data-quality", {"team": "noise"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "ms"),
    [("250ms", 250), ("5s", 5_000), ("1.5m", 90_000), ("24h", 86_400_000), ("2d", 172_800_000), ("0s", 0)],
)
def test_durations(text: str, ms: int) -> None:
    """A number and its unit."""
    assert packs.milliseconds(text) == ms


@pytest.mark.parametrize("text", ["", "5", "s", "5 s", "-5s", "5sec", "1h30m", "٥s"])
def test_what_is_no_duration(text: str) -> None:
    """Anything else is refused with an example."""
    with pytest.raises(ValueError, match="is no duration; write a number and ms, s, m, h or d, as in 90s"):
        packs.milliseconds(text)


def change(path: str, value: Any) -> Callable[[Declared], None]:
    """Sets the key at a path such as ``rules.0.expr``; ``None`` removes it."""

    def apply(declared: Declared) -> None:
        at: Any = declared
        *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        for part in way:
            at = at[part]
        if value is None:
            del at[last]
        else:
            at[last] = value

    return apply


def double(key: str) -> Callable[[Declared], None]:
    """Declares the first entry of a list twice."""
    return lambda declared: declared[key].append(copy.deepcopy(declared[key][0]))


BROKEN: list[tuple[Callable[[Declared], None], str]] = [
    (change("title", None), "noise/pack.yaml: title: is missing; write a mapping with en and zh"),
    (change("title", "Noise"), 'noise/pack.yaml: title: "Noise" is text; write a mapping with en and zh'),
    (change("title.zh", None), "noise/pack.yaml: title.zh: is missing; write text"),
    (
        change("colour", "red"),
        "noise/pack.yaml: colour: there is no such key; use one of pack, title, owner, domain, rules, datastreams,",
    ),
    (
        change("domain", "noise"),
        'noise/pack.yaml: domain: "noise" is unknown; use one of appeals, economy, environment, market-supervision',
    ),
    (change("status", "alive"), 'noise/pack.yaml: status: "alive" is unknown; did you mean "live"?'),
    (change("pack", "loud"), 'noise/pack.yaml: pack: "loud" is not the folder\'s name; write pack: noise'),
    (change("datastreams", {}), "noise/pack.yaml: datastreams: {} is a mapping; write a list"),
    (change("datastreams.0.kinds", []), "noise/pack.yaml: datastreams[0].kinds: [] has 0 entries; write at least 1"),
    (
        change("datastreams.0.property", "a/b"),
        'noise/pack.yaml: datastreams[0].property: "a/b" is no name; write letters, digits, - and _, a letter first',
    ),
    (change("datastreams.0.unit", 3), 'noise/pack.yaml: datastreams[0].unit: 3 is a number; put it in quotes: "3"'),
    (
        change("datastreams.0.range", [5]),
        "noise/pack.yaml: datastreams[0].range: [5] is not a list of 2; write [low, high]",
    ),
    (
        change("datastreams.0.range", [5, 5]),
        "noise/pack.yaml: datastreams[0].range: 5 is not below 5; write [low, high]",
    ),
    (change("datastreams.0.range", [float("nan"), 5]), "noise/pack.yaml: datastreams[0].range: nan is not below 5"),
    (
        change("datastreams.0.cadence", "often"),
        'noise/pack.yaml: datastreams[0].cadence: "often" is no duration; write a number and ms, s, m, h or d, as ',
    ),
    (change("datastreams.0.cadence", "0s"), "noise/pack.yaml: datastreams[0].cadence: 0s is no time between readi"),
    (
        change("datastreams.0.detector", "oracle"),
        'noise/pack.yaml: datastreams[0].detector: "oracle" is unknown; use one of running-level, seasonal-baselin',
    ),
    (
        change("datastreams.0.parameters", {"colour": 1}),
        "noise/pack.yaml: datastreams[0].parameters: detector seasonal-baseline has no parameter 'colour'; it has ",
    ),
    (
        change("datastreams.0.parameters", {"bins": 1}),
        "noise/pack.yaml: datastreams[0].parameters: bins is 1; use a whole number from 2 to 1440",
    ),
    (
        change("datastreams.0.parameters", {"bins": "many"}),
        "noise/pack.yaml: datastreams[0].parameters: {'bins': 'many'} of seasonal-baseline are not all of their ty",
    ),
    (
        double("datastreams"),
        'noise/pack.yaml: datastreams: the property "loudness" is declared 2 times; make them one or rename one',
    ),
    (
        change("zones.0.property", "people"),
        'noise/pack.yaml: zones[0].property: "people" is not watched here; use one of loudness',
    ),
    (
        change("zones.0.detector", "oracle"),
        'noise/pack.yaml: zones[0].detector: "oracle" is unknown; use one of running-level, seasonal-baseline, sil',
    ),
    (
        double("zones"),
        'noise/pack.yaml: zones: the property "loudness" is declared 2 times; make them one or rename one',
    ),
    (
        change("rules.0.alert", "Too loud"),
        'noise/pack.yaml: rules[0].alert: "Too loud" is no name; write letters, digits, - and _, a letter first',
    ),
    (
        change("rules.0.reads", "streams"),
        'noise/pack.yaml: rules[0].reads: "streams" is unknown; did you mean "datastreams"?',
    ),
    (
        change("rules.0.property", "people"),
        'noise/pack.yaml: rules[0].property: "people" is not one of the pack\'s datastreams; use one of loudness',
    ),
    (
        change("zones", []),
        'noise/pack.yaml: rules[1].property: "loudness" is not summed over zones; add it to zones: in this file',
    ),
    (
        change("rules.0.expr", "vlaue > 85"),
        'noise/pack.yaml: rules[0].expr: unknown column "vlaue"; did you mean "value"?',
    ),
    (
        change("rules.0.expr", "ratio > 2"),
        'noise/pack.yaml: rules[0].expr: unknown column "ratio"; use one of value, expected, score, hour, day_kind',
    ),
    (
        change("rules.0.expr", "value + 1"),
        "noise/pack.yaml: rules[0].expr: 'value + 1' gives Float64, not true or false",
    ),
    (change("rules.1.clear", "score <"), "noise/pack.yaml: rules[1].clear: cannot read 'score <'"),
    (
        change("rules.0.severity", "Red"),
        'noise/pack.yaml: rules[0].severity: "Red" is unknown; use one of Extreme, Minor, Moderate, Severe',
    ),
    (
        change("rules.0.for", "soon"),
        'noise/pack.yaml: rules[0].for: "soon" is no duration; write a number and ms, s, m, h or d, as in 90s',
    ),
    (
        change("rules.1.clear_for", 60),
        "noise/pack.yaml: rules[1].clear_for: 60 is a number; write its unit too, as in 60s",
    ),
    (
        change("rules.0.kind", "crowd"),
        'noise/pack.yaml: rules[0].kind: "crowd" is unknown; use one of data-quality, event',
    ),
    (
        change("rules.0.headline.en", "{who} is loud"),
        'noise/pack.yaml: rules[0].headline.en: "{who} is loud": there is no word "who"; braces may hold place, va',
    ),
    (
        change("rules.0.headline.zh", "{place"),
        "noise/pack.yaml: rules[0].headline.zh: \"{place\": expected '}' before end of string; write a word in bra",
    ),
    (
        change("rules.0.headline.en", "{} is loud"),
        'noise/pack.yaml: rules[0].headline.en: "{} is loud": there is no word ""; braces may hold place',
    ),
    (
        change("rules.0.headline.en", "{value:.1f}"),
        'noise/pack.yaml: rules[0].headline.en: "{value:.1f}": figures are rounded already; write {value} alone',
    ),
    (double("rules"), 'noise/pack.yaml: rules: the alert "Loud" is declared 2 times; make them one or rename one'),
]


@pytest.mark.parametrize(("break_it", "says"), BROKEN, ids=[says[17:70] for _, says in BROKEN])
def test_a_broken_pack_is_refused(tmp_path: Path, break_it: Callable[[Declared], None], says: str) -> None:
    """File, key, value and remedy stand in one line."""
    declared = sound()
    break_it(declared)
    with pytest.raises(PackError, match=r"^" + re.escape(says)):
        packs.load(write(tmp_path, declared))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "noise/pack.yaml: null is nothing; write a mapping with pack and title"),
        ("- a\n- b\n", 'noise/pack.yaml: ["a", "b"] is a list; write a mapping with pack'),
        ("pack: [noise\n", "noise/pack.yaml: not YAML: while parsing"),
        (
            "pack: noise\ntitle: {en: a, zh: b}\npack: noise\n",
            "noise/pack.yaml: not YAML: the key pack is written 2 times",
        ),
        ("title: {en: a, en: b, zh: c}\n", "noise/pack.yaml: not YAML: the key en is written 2 times; keep one"),
        ("pack: !!python/object:os.system {}\n", "noise/pack.yaml: not YAML: could not determine a constructor"),
        (b"title: \xff\xfe\n", "noise/pack.yaml: not UTF-8 text"),
    ],
)
def test_a_file_that_is_no_pack_is_refused(tmp_path: Path, content: str | bytes, says: str) -> None:
    """Empty, a list, broken or dangerous YAML, keys written twice and other encodings."""
    with pytest.raises(PackError, match=r"^" + re.escape(says)):
        packs.load(write(tmp_path, content))


def test_a_folder_without_a_file_is_refused(tmp_path: Path) -> None:
    """A pack is a folder with a pack.yaml."""
    with pytest.raises(PackError, match=r"^noise/pack.yaml: no such file; a pack is a folder with a pack.yaml"):
        packs.load(tmp_path / "noise")


def test_two_packs_cannot_watch_the_same(tmp_path: Path) -> None:
    """A property of a kind of assets has one owner, and so has a property summed over zones."""
    write(tmp_path, sound())
    other = sound("traffic")
    other["datastreams"][0]["kinds"] = ["lamp"]
    write(tmp_path, other, "traffic")
    with pytest.raises(
        PackError, match=r"^traffic/pack.yaml: datastreams\[0\]: lamp/loudness is watched by noise already; take"
    ):
        packs.load_all(tmp_path)
    other["datastreams"][0]["kinds"] = ["car"]
    write(tmp_path, other, "traffic")
    with pytest.raises(PackError, match=r"^traffic/pack.yaml: zones: loudness is summed by noise already; take"):
        packs.load_all(tmp_path)


@pytest.mark.parametrize("status", ["draft", None])
def test_a_draft_stops_nobody(tmp_path: Path, status: str | None) -> None:
    """A pack that is a draft, by word or by default, is not loaded, collides with none and may be broken."""
    write(tmp_path, sound())
    draft = sound("other")
    draft["rules"][0]["expr"] = "not yet"
    change("status", status)(draft)
    write(tmp_path, draft, "other")
    assert [pack.name for pack in packs.load_all(tmp_path)] == ["noise"]
    with pytest.raises(PackError):
        packs.load(tmp_path / "other")


@pytest.mark.parametrize("status", ["live", "trial"])
def test_live_and_trial_packs_are_loaded(tmp_path: Path, status: str) -> None:
    """Both run; by name."""
    write(tmp_path, sound("b") | {"status": status}, "b")
    write(tmp_path, sound("a") | {"datastreams": [], "zones": [], "rules": []}, "a")
    assert [(pack.name, pack.status) for pack in packs.load_all(tmp_path)] == [("a", "live"), ("b", status)]


def test_a_file_whose_status_cannot_be_read_is_no_draft(tmp_path: Path) -> None:
    """A pack that was live and is now broken YAML must not go silent."""
    write(tmp_path, "status: draft\n  broken: [")
    with pytest.raises(PackError, match="not YAML"):
        packs.load_all(tmp_path)
