"""Forty broken packs: each refused with file, key, value and remedy, and the others go on unharmed."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from citybrain.packs import begin, complete
from config import drills, pack_runbook
from config import pack as packs
from config.drills import DrillError
from config.pack import PackError
from config.packs_reload import Packs
from config.plans import PlanError
from config.plans import load as load_plan
from tests.config.test_packs import Declared, change, sound, write

NAME = "lift-rescue"
FILE = f"{NAME}/pack.yaml"
Break = Callable[[Declared], None]


def add(path: str, value: Any) -> Break:
    """Adds an entry to the list at a path such as ``rules.0``; an empty path is the file itself."""

    def apply(declared: Declared) -> None:
        at: Any = declared
        for part in path.split("."):
            at = at[int(part) if part.isdigit() else part]
        at.append(value)

    return apply


EVENT = {"kind": "cluster", "means": {"en": "Many appeals", "zh": "诉求聚集"}}
RULE = {
    "alert": "Many",
    "reads": "events",
    "event": "cluster",
    "expr": "value >= 10",
    "severity": "Minor",
    "headline": {"en": "Many", "zh": "多"},
}

# what breaks it · the key · the value that is told · the remedy
BROKEN: list[tuple[Break, str, str, str]] = [
    (change("pack", "lift"), "pack", '"lift"', "write pack: lift-rescue"),
    (change("title.zh", None), "title.zh", "missing", "write text"),
    (change("title", {"en": "Parks", "roads": None, "zh": "园林"}), "title.roads", "no such key", "use one of en, zh"),
    (change("owner", "Bureau"), "owner", '"Bureau" is text', "write a mapping with en and zh"),
    (change("domain", "public-service"), "domain", '"public-service"', 'did you mean "public-services"?'),
    (change("status", "alive"), "status", '"alive"', 'did you mean "live"?'),
    (change("rules", {}), "rules", "{} is a mapping", "write a list"),
    (change("ruels", []), "ruels", "no such key", 'did you mean "rules"?'),
    (change("datastreams.0.kinds", "lift"), "datastreams[0].kinds", '"lift" is text', "write a list"),
    (change("datastreams.0.kinds", []), "datastreams[0].kinds", "[]", "write at least 1"),
    (change("datastreams.0.property", "a b"), "datastreams[0].property", '"a b"', "write letters, digits"),
    (change("datastreams.0.range", [1, 0]), "datastreams[0].range", "1 is not below 0", "write [low, high]"),
    (change("datastreams.0.range", 5), "datastreams[0].range", "5", "write [low, high]"),
    (change("datastreams.0.cadence", "1 min"), "datastreams[0].cadence", '"1 min"', "write a number and ms, s, m"),
    (change("datastreams.0.cadence", 60), "datastreams[0].cadence", "60 is a number", "as in 60s"),
    (change("datastreams.0.unit", 1), "datastreams[0].unit", "1 is a number", 'put it in quotes: "1"'),
    (change("datastreams.0.detector", "runing-level"), "datastreams[0].detector", '"runing-level"', "did you mean"),
    (change("datastreams.0.parameters", {"memry": 3}), "datastreams[0].parameters", "'memry'", "it has ["),
    (change("datastreams.0.quality", {"stuk": True}), "datastreams[0].quality.stuk", "no such key", 'mean "stuck"?'),
    (change("rules.0.alert", "Lift rescue"), "rules[0].alert", '"Lift rescue"', "write letters, digits"),
    (change("rules.0.reads", "datastream"), "rules[0].reads", '"datastream"', 'did you mean "datastreams"?'),
    (change("rules.0.property", "traped"), "rules[0].property", '"traped"', 'did you mean "trapped"?'),
    (change("rules.0.reads", "zones"), "rules[0].property", '"trapped"', "add it to zones: in this file"),
    (change("rules.0.expr", "traped >= 1"), "rules[0].expr", '"traped"', 'did you mean "trapped"?'),
    (change("rules.0.expr", "value"), "rules[0].expr", "'value' gives Float64", "compare it with a line"),
    (change("rules.0.expr", "value > AVG(value)"), "rules[0].expr", "AVG", "it may call ABS"),
    (change("rules.0.expr", "value >= 1; SELECT 1"), "rules[0].expr", "';'", "write columns, numbers"),
    (change("rules.0.clear", "value <"), "rules[0].clear", "'value <'", "cannot read"),
    (change("rules.0.deadband", 0.5), "rules[0].deadband", "0.5", "keep one"),
    (change("rules.0.line", {"value": 1}), "rules[0].line", "minutes_to_line", "or take the line out"),
    (change("rules.0.severity", "Red"), "rules[0].severity", '"Red"', "use one of Extreme"),
    (change("rules.0.headline.en", "{plce}"), "rules[0].headline.en", '"{plce}"', 'did you mean "place"?'),
    (change("rules.0.latch", "yes"), "rules[0].latch", '"yes" is text', "write true or false"),
    (change("group", {"near_m": 5000}), "group.near_m", "5000", "write at most 2000"),
    (change("group", {"window": "soon"}), "group.window", '"soon"', "write a number and ms"),
    (
        change("inhibit", [{"source": {}, "target": {"rule": "LiftRescue"}}]),
        "inhibit[0].source",
        "fits every alert",
        "name a rule or a kind",
    ),
    (change("plan.reads", []), "plan.reads", "[]", "write at least 1"),
    (change("simulate.assets.0.kind", "left"), "simulate.assets[0].kind", '"left"', 'did you mean "lift"?'),
    (change("simulate.readings.0.state.share", 2), "simulate.readings[0].state.share", "2", "write at most 1"),
    (change("tests.0.gives.0.alert", "LiftRescu"), "tests[0].gives[0].alert", '"LiftRescu"', 'mean "LiftRescue"?'),
    (change("tests.0.series.0.values", "0x3 one"), "tests[0].series[0].values", '"one"', "write 0.02"),
    (change("events", [EVENT | {"detector": "scan"}]), "events[0].detector", '"scan"', "space-time-scan"),
    (add("rules", RULE), "rules[1].event", '"cluster"', "there is none"),
    (change("scene", {"heat": "traped"}), "scene.heat", "traped", "trapped"),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a pack that has all its files, and two others."""
    root = tmp_path_factory.mktemp("packs")
    begin.begin(root, NAME, "trapped", "lift")
    path = root / NAME / "pack.yaml"
    path.write_text(path.read_text("utf-8").replace("status: draft", "status: live"), "utf-8")
    write(root, sound())
    write(root, sound("quiet") | {"datastreams": [], "zones": [], "rules": []}, "quiet")
    return root


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(whole, tmp_path / "packs"))


def test_there_are_forty() -> None:
    """And all are broken in another place or way."""
    assert len({(key, value) for _, key, value, _ in BROKEN}) >= 40


@pytest.mark.parametrize(("break_it", "key", "value", "remedy"), BROKEN, ids=[f"{b[1]} {b[2]}" for b in BROKEN])
def test_a_broken_pack_is_refused_and_harms_no_other(
    folder: Path, break_it: Break, key: str, value: str, remedy: str
) -> None:
    """File, key, value and remedy stand in one line; the other packs are in force."""
    declared = packs.read(folder / NAME)
    break_it(declared)
    (folder / NAME / "pack.yaml").write_text(yaml.safe_dump(declared, allow_unicode=True), "utf-8")
    with pytest.raises(PackError) as refused:
        packs.load(folder / NAME)
    line = refused.value.lines[0]
    assert re.match(re.escape(f"{FILE}: {key}") + r"[:.]", line), line
    assert value in line
    assert remedy in line
    running = Packs(folder)
    assert [pack.name for pack in running.packs] == ["noise", "quiet"]
    assert running.states[NAME].state == "refused"


def test_several_faults_are_told_in_one_go(folder: Path) -> None:
    """Of the shape and of the sense, each on its line."""
    declared = packs.read(folder / NAME)
    for break_it in (BROKEN[4][0], BROKEN[15][0], BROKEN[23][0], BROKEN[37][0], BROKEN[39][0]):
        break_it(declared)
    with pytest.raises(PackError) as refused:
        packs.parse(declared, folder / NAME)
    keys = [line.split(": ")[1] for line in refused.value.lines]
    assert keys == [
        "domain", "datastreams[0].unit", "rules[0].expr", "simulate.assets[0].kind", "tests[0].gives[0].alert"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("## Impact", 'runbook.md: ## Impact: the section is missing; write a heading "## Impact" and text below it'),
        ("说明谁有危险或在等待，多久会恶化。", 'runbook.md: ## 影响: "" is too short; write a sentence or more'),
    ],
)
def test_a_broken_runbook_is_refused(folder: Path, text: str, says: str) -> None:
    """A section that is missing, or empty."""
    path = folder / NAME / pack_runbook.FILE
    path.write_text(path.read_text("utf-8").replace(text, ""), "utf-8")
    assert complete.beside(folder / NAME, packs.load(folder / NAME)) == [f"{NAME}/{says}"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"out-level": "1"', '"out-level": "one"', ["plan.json, table stages, row 1, column level", "one"]),
        ('"name": "units"', '"name": "unit"', ["plan.json", "unit"]),
        ('"in-severity": ""', '"in-severity": "\'Minor\'"', ["plan.json, table stages"]),
    ],
)
def test_a_broken_plan_is_refused(folder: Path, old: str, new: str, says: list[str]) -> None:
    """With file, table, row and column."""
    path = folder / NAME / "plan.json"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    assert json.loads(path.read_text("utf-8"))
    declared = packs.load(folder / NAME).plan
    assert declared is not None
    with pytest.raises(PlanError) as refused:
        load_plan(declared)
    assert [said for said in says if said not in str(refused.value)] == []


def test_a_broken_drill_is_refused(folder: Path) -> None:
    """It names an alert that the pack does not have."""
    path = folder / NAME / "drills" / f"{NAME}-first.yaml"
    path.write_text(path.read_text("utf-8").replace("/LiftRescue", "/LiftRescu"), "utf-8")
    with pytest.raises(DrillError, match="LiftRescu"):
        drills.load(path, loaded=[packs.load(folder / NAME)])


@pytest.mark.parametrize(
    "content",
    [
        b"\x00\x01\x02",
        b"[" * 5_000,
        b"&a [*a, *a]",
        b"a: &x {b: *x}",
        b"pack: !!python/name:os.system\n",
        b"",
        b"a" * 300_000,
    ],
)
def test_a_file_that_is_no_pack_at_all_harms_no_other(folder: Path, content: bytes) -> None:
    """Bytes, a pit of brackets, knots, code and nothing."""
    (folder / NAME / "pack.yaml").write_bytes(content)
    running = Packs(folder)
    assert [pack.name for pack in running.packs] == ["noise", "quiet"]
    assert running.states[NAME].error.startswith(FILE)
