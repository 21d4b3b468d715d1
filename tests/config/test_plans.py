"""Response plans as they are declared: what is refused, and where; what stays in force; the shipped ones."""

from __future__ import annotations

import copy
import functools
import json
import os
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from config import city as cities
from config import pack as packs
from config.plan_shape import Declared, Facts
from config.plans import Plan, PlanError, Plans, load, parse

FLOOD = Path(__file__).parents[2] / "config" / "packs" / "flood" / "plan.json"
FACTS = Facts(
    zones=frozenset({"west", "east"}),
    kinds=frozenset({"patrol", "pump", "crew", "ambulance"}),
    skills=frozenset({"traffic", "pump", "road", "medical"}),
    routes=frozenset({"journal"}),
    rules=frozenset({"PondingWarning"}),
)
Model = dict[str, Any]


def declared(path: Path, *reads: str) -> Declared:
    """The flood plan as its pack declares it, in ``path``."""
    return Declared("flood", "flood", path, reads or ("water_level", "rainfall", "stage"))


def table(model: Model, name: str) -> Model:
    """The content of one decision table."""
    content: Model = next(node["content"] for node in model["nodes"] if node["name"] == name)
    return content


def column(content: Model, name: str) -> str:
    """The id of a column by what it reads or writes."""
    return str(next(one["id"] for one in (*content["inputs"], *content["outputs"]) if one["field"] == name))


def written(tmp_path: Path, change: Callable[[Model], None]) -> Path:
    """The shipped flood plan with a change, as a file."""
    model = json.loads(FLOOD.read_text("utf-8"))
    change(model)
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(model, ensure_ascii=False), "utf-8")
    return path


def cell(where: str, row: int, name: str, value: Any) -> Callable[[Model], None]:
    """Change one cell; ``row`` as an editor counts it; None takes it out."""

    def change(model: Model) -> None:
        content = table(model, where)
        rule = content["rules"][row - 1]
        if value is None:
            del rule[column(content, name)]
        else:
            rule[column(content, name)] = value

    return change


def without_input(model: Model) -> None:
    """As a hand takes a column out: its cells stay."""
    content = table(model, "stages")
    content["inputs"] = [one for one in content["inputs"] if one["field"] != "rainfall"]


def without_input_and_cells(model: Model) -> None:
    """As an editor deletes a column."""
    content = table(model, "stages")
    name = column(content, "rainfall")
    without_input(model)
    for rule in content["rules"]:
        del rule[name]


def rename(where: str, name: str, to: str) -> Callable[[Model], None]:
    """Let a column read or write another name."""

    def change(model: Model) -> None:
        content = table(model, where)
        one = next(one for one in (*content["inputs"], *content["outputs"]) if one["field"] == name)
        one["field"] = to

    return change


def drop_row(where: str, number: int) -> Callable[[Model], None]:
    """Take a row out."""
    return lambda model: table(model, where)["rules"].pop(number - 1)


def move_up(where: str, number: int) -> Callable[[Model], None]:
    """Put a row first."""

    def change(model: Model) -> None:
        rules = table(model, where)["rules"]
        rules.insert(0, rules.pop(number - 1))

    return change


def setting(where: str, **changed: Any) -> Callable[[Model], None]:
    """Change a table's settings."""
    return lambda model: table(model, where).update(changed)


def beside(model: Model) -> None:
    """Take the line into the last table away."""
    model["edges"] = [edge for edge in model["edges"] if edge["targetId"] != "release"]


BROKEN = {
    "an input is gone, its cells stay": (
        without_input,
        "table stages, row 2, column in-rainfall: the cell '>= 50' belongs to a column that is not in the table, so "
        "its condition would be lost; put the column back, or empty the cell",
    ),
    "an input is gone with its cells": (
        without_input_and_cells,
        "table stages, head line, column rainfall: the input is missing, and no row may answer without it; there are: "
        "water_level, stage",
    ),
    "a cell is missing": (
        cell("stages", 3, "water_level", None),
        'table stages, row 3, column water_level: the cell is missing; write "" for any value, or a condition',
    ),
    "an input is unknown": (
        rename("stages", "rainfall", "rain_fall"),
        "table stages, head line, column rainfall: the input is missing",
    ),
    "an unknown input besides": (
        rename("tasks", "stage", "phase"),
        "table tasks, head line, column phase: the input is unknown; there are: hour, day_kind",
    ),
    "an input names nothing": (
        rename("stages", "rainfall", " "),
        "table stages, head line, column rainfall: the input names no field; say what it reads",
    ),
    "a condition cannot be read": (
        cell("stages", 1, "water_level", ">= deep"),
        "table stages, row 1, column water_level: 'deep' in '>= deep' is not understood; compare with numbers",
    ),
    "a condition is unfinished": (
        cell("stages", 1, "water_level", ">="),
        "table stages, row 1, column water_level: '>=' is no condition: Expected a literal at (2, 2)",
    ),
    "a condition calls something": (
        cell("stages", 1, "water_level", "len($) > 3"),
        "table stages, row 1, column water_level: 'len' in 'len($) > 3' is not understood",
    ),
    "a condition can never hold": (
        cell("stages", 1, "water_level", "< -1"),
        "table stages, row 1, column water_level: '< -1' never holds for a number from 0",
    ),
    "a stage that no row gives": (
        cell("tasks", 2, "stage", "'wathc'"),
        "table tasks, row 2, column stage: \"'wathc'\" never holds for one of closed, pump-out, watch",
    ),
    "a row that is never reached": (
        move_up("stages", 5),
        "table stages, row 2: it is never reached, for row 1 answers all its cases; move it up or take it out",
    ),
    "no default": (
        drop_row("stages", 7),
        "table stages: no row answers water_level 0, rainfall 0, stage release; end the table with a default",
    ),
    "an unknown unit kind": (
        cell("units", 3, "kind", "'pumps'"),
        "table units, row 3, column kind: 'pumps' is no unit kind of the city; there are: ambulance, crew",
    ),
    "an unknown skill": (
        cell("units", 3, "skills", "['diving']"),
        "table units, row 3, column skills: ['diving'] holds 'diving', which is no skill of the city's units",
    ),
    "an unknown zone": (
        cell("stages", 1, "close", "['north']"),
        "table stages, row 1, column close: ['north'] holds 'north', which is no zone of the city; there are: east",
    ),
    "an unknown route": (
        cell("stages", 1, "notify", "['mayor']"),
        "table stages, row 1, column notify: ['mayor'] holds 'mayor', which is no route of notifications",
    ),
    "an unknown measure": (
        cell("stages", 1, "measures", "['closing']"),
        "table stages, row 1, column measures: ['closing'] holds 'closing', which is no measure; there are: broadcast",
    ),
    "a measure that is never taken back": (
        cell("stages", 1, "measures", "['close-road', 'divert-traffic', 'evacuate']"),
        "table stages, row 1, column measures: no row of table release takes 'evacuate' back; add one",
    ),
    "a graver stage that takes a measure back": (
        cell("stages", 1, "measures", "['close-road']"),
        "table stages, row 1, column measures: 'divert-traffic' is ordered in row 3 at level 2, and a graver stage",
    ),
    "an output is missing": (
        rename("stages", "level", "grade"),
        "table stages, head line, column level: the output is missing; add it",
    ),
    "an output is empty": (
        cell("tasks", 1, "what.zh", ""),
        "table tasks, row 1, column what.zh: the cell is empty; every row must say it",
    ),
    "an output is no value": (
        cell("tasks", 1, "what.en", "'Look"),
        "table tasks, row 1, column what.en: \"'Look\" in \"'Look\" is no value; write 'a word', a number or a list",
    ),
    "an output that depends on an input": (
        cell("stages", 1, "close", "[zone]"),
        "table stages, row 1, column close: 'zone' in '[zone]' is no value; write 'a word', a number or a list",
    ),
    "a setting that no engine knows": (
        setting("tasks", executionMode="twice"),
        "unknown variant `twice`, expected `single` or `loop`; save it from a JDM editor",
    ),
    "a level that is no whole number": (
        cell("stages", 1, "level", "'3'"),
        "table stages, row 1, column level: '3' is not a whole number from 0",
    ),
    "one stage, two levels": (
        cell("stages", 2, "level", "1"),
        "table stages, row 2, column level: stage 'closed' has level 1 here and 3 above; make them one",
    ),
    "minutes beyond a day": (
        cell("tasks", 1, "minutes", "2000"),
        "table tasks, row 1, column minutes: 2000 is not a number of minutes up to 1440",
    ),
    "a stage without tasks": (
        lambda model: [cell("tasks", n, "stage", "'closed', 'release'")(model) for n in (1, 2, 3, 4)],
        "table tasks, column stage: no row holds for stage 'pump-out'; add what is to be done",
    ),
    "a setting is off": (
        setting("tasks", hitPolicy="first"),
        "table tasks: hit policy is 'first'; set it to 'collect' in the table's settings",
    ),
    "a table that is never asked": (
        beside,
        "0 lines leave 'units'; lead one line from the input through each table to the output",
    ),
    "two rows with one id": (
        lambda model: table(model, "tasks")["rules"][1].update(_id="look"),
        "table tasks, row 1: its _id 'look' is another row's too; give each its own",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plan_is_refused_by_file_row_and_column(name: str, tmp_path: Path) -> None:
    """Each mistake is told with its file, table, row and column, and with what to do."""
    change, told = BROKEN[name]
    path = written(tmp_path, change)
    with pytest.raises(PlanError, match=re.escape(f"{tmp_path.name}/plan.json")) as caught:
        load(declared(path), FACTS)
    assert told in str(caught.value)


def test_what_is_no_decision_model_is_refused(tmp_path: Path) -> None:
    """Neither broken JSON nor other JSON nor a missing file stops anything but itself."""
    path = tmp_path / "plan.json"
    for text, told in [
        ("{", "not a decision model"),
        ("[]", "not a decision model"),
        ('{"nodes": [], "edges": []}', "0 nodes"),
    ]:
        path.write_text(text, "utf-8")
        with pytest.raises(PlanError, match=told):
            load(declared(path))
    with pytest.raises(PlanError, match="cannot be read"):
        load(declared(tmp_path / "none.json"))


JUNK: list[Any] = [
    None, "", 0, -1, 1.5, True, [], {}, "x", "'a'", ">= ", "[1..", "\0", "9" * 400, "['a'", "$", "null", "{a: 1}", "..",
    "not", "[[1, 2], 3]", "`${x}`", "> 5 > 4", "- 5", "$.a",
]  # fmt: skip


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to everything inside a JSON value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inside in pairs:
        yield (*at, key)
        yield from paths(inside, (*at, key))


@pytest.mark.parametrize("seed", range(150))
def test_whatever_is_broken_is_refused_or_answers(seed: int) -> None:
    """Files with pieces missing or made nonsense are refused by their own error, or answer whatever they are asked."""
    rng = random.Random(seed)
    model = json.loads(FLOOD.read_text("utf-8"))
    for _ in range(rng.choice((1, 1, 2, 3))):
        *way, last = rng.choice(list(paths(model)))
        piece = functools.reduce(lambda inside, key: inside[key], way, model)
        if rng.random() < 0.25:
            del piece[last]
        else:
            piece[last] = copy.deepcopy(rng.choice(JUNK))
    try:
        plan = parse(json.dumps(model).encode(), declared(Path("flood/plan.json")), FACTS)
    except PlanError as error:
        assert str(error).startswith("flood/plan.json")
        return
    for level in (None, 0.0, 0.12, 0.2, 0.3):
        answer = plan.ask({"water_level": level, "rainfall": 0.0, "stage": ""}, "u-1", ("close-road",), 0)
        assert plan.level(answer.stage) >= 0


def test_the_table_before_stays_in_force(tmp_path: Path) -> None:
    """A table that lost an input is refused on reload; the one before answers on, until a sound one comes."""
    path = written(tmp_path, lambda model: None)
    plans = Plans([declared(path)], FACTS)
    before = plans.of("flood", "anywhere")
    assert before is not None
    save(path, without_input)
    lines = plans.refresh()
    assert plans.of("flood", "anywhere") is before
    assert f"version {before.version} stays in force" in lines[0]
    assert plans.refused["flood"].startswith(f"{tmp_path.name}/plan.json, table stages, row 2, column in-rainfall")
    assert plans.refresh() == []  # told once
    save(path, cell("stages", 3, "water_level", ">= 0.12"))
    assert len(plans.refresh()) == 1
    after = plans.of("flood", "anywhere")
    assert after is not None
    assert (after.version != before.version, plans.refused) == (True, {})
    assert after.ask({"water_level": 0.13, "rainfall": 0.0, "stage": ""}, "w", (), 0).stage == "pump-out"


def test_the_table_before_outlives_the_process(tmp_path: Path) -> None:
    """A process that starts with a broken file works by the last table that was accepted."""
    path, keep = written(tmp_path, lambda model: None), tmp_path / "kept"
    first = Plans([declared(path)], FACTS, keep).of("flood", "x")
    save(path, without_input)
    plans = Plans([declared(path)], FACTS, keep)
    again = plans.of("flood", "x")
    assert first is not None
    assert again is not None
    assert again.version == first.version
    assert list(plans.refused) == ["flood"]
    assert Plans([declared(path)], FACTS).of("flood", "x") is None  # nothing was ever accepted here


def save(path: Path, change: Callable[[Model], None]) -> None:
    """Save the shipped plan with a change over the file, as an editor does, later than before."""
    written(path.parent, change)
    stamp = path.stat().st_mtime_ns + 1_000_000
    os.utime(path, ns=(stamp, stamp))


def test_a_city_s_own_plan_comes_before_the_pack_s() -> None:
    """At the places it names a city's plan is asked, elsewhere the pack's."""
    city = cities.load("shanghai")
    plans = Plans.of_city(city, packs.load_all())
    chosen = [plans.of("holiday-crowd", place) for place in ("the-bund", "bund-north", "yu-garden")]
    assert [plan and plan.plan for plan in chosen] == ["the-bund", "the-bund", "holiday-crowd"]
    assert plans.of("unknown", "the-bund") is None


@pytest.mark.parametrize("name", ["auckland", "chengdu", "shanghai"])
def test_the_shipped_plans_are_sound_in_every_city(name: str) -> None:
    """No shipped table is refused, and each city has the plans of its packs."""
    plans = Plans.of_city(cities.load(name), packs.load_all())
    assert plans.refused == {}
    assert {"flood", "holiday-crowd"} <= set(plans.loaded)


FLOOD_STAGES = [
    # water_level, rainfall, stage in force → stage, kinds of units
    (0.05, 0.0, "", "normal", []),
    (0.12, 0.0, "", "watch", ["crew"]),
    (0.12, 40.0, "", "pump-out", ["crew", "patrol", "pump"]),
    (0.16, 0.0, "", "pump-out", ["crew", "patrol", "pump"]),
    (0.27, 0.0, "pump-out", "closed", ["crew", "patrol", "pump", "ambulance"]),
    (0.22, 55.0, "pump-out", "closed", ["crew", "patrol", "pump", "ambulance"]),
    (0.05, 0.0, "closed", "release", []),
    (None, None, "", "normal", []),
]


@pytest.mark.parametrize(("level", "rain", "stage", "expected", "kinds"), FLOOD_STAGES)
def test_the_flood_table(level: float | None, rain: float | None, stage: str, expected: str, kinds: list[str]) -> None:
    """A ponding underpass reaches police, road maintenance and a pump truck at once; 27 cm close the road."""
    answer = flood().ask({"water_level": level, "rainfall": rain, "stage": stage}, "u-1", (), 0)
    assert answer.stage == expected
    assert [need.kind for need in answer.units] == kinds
    assert answer.zones_closed == (("u-1",) if expected == "closed" else ())


def flood() -> Plan:
    """The shipped flood plan."""
    return load(declared(FLOOD), FACTS)


def test_an_answer_knows_its_rows_and_deadlines() -> None:
    """Tasks name the row that asked for them; what is lifted comes as tasks of its own; deadlines count in minutes."""
    answer = flood().ask({"water_level": 0.16, "stage": "closed"}, "u-1", ("close-road", "divert-traffic"), 60_000)
    rules = {task.rule: task.deadline for task in answer.tasks}
    assert rules == {
        "tasks/look": 6 * 60_000,
        "tasks/gullies": 21 * 60_000,
        "tasks/warn-drivers": 11 * 60_000,
        "tasks/pump": 21 * 60_000,
        "release/close-road": 21 * 60_000,
    }
    assert answer.inputs == {"water_level": 0.16, "rainfall": None, "stage": "closed"}
    assert answer.measures == ("divert-traffic",)
