"""Refusals in Chinese: whole sentences with file, key, value and remedy; a parser's own words only as detail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from citybrain.packs import begin
from config import city as cities
from config import drills
from config import pack as packs
from config.drills import DrillError
from config.pack import PackError
from config.plans import PlanError, load
from tests.config import test_drills, test_plans
from tests.packs import test_broken
from wall.faults import both, chinese

OWN_WORDS = "程序原话"


def test_each_broken_pack_is_refused_in_a_chinese_sentence(tmp_path: Path) -> None:
    """All forty and what follows from them, none left in the loader's words; file and key as they stand there."""
    begin.begin(tmp_path, test_broken.NAME, "trapped", "lift")
    for break_it, key, _, _ in test_broken.BROKEN:
        declared = packs.read(tmp_path / test_broken.NAME)
        break_it(declared)
        with pytest.raises(PackError) as refused:
            packs.parse(declared, tmp_path / test_broken.NAME)
        told = [chinese(line) for line in refused.value.lines]
        assert told[0].startswith(f"{test_broken.FILE} 的 {key}")
        assert [line for line in told if OWN_WORDS in line] == []


def test_each_broken_plan_is_refused_in_a_chinese_sentence(tmp_path: Path) -> None:
    """With table, row and column."""
    for number, (change, _) in enumerate(test_plans.BROKEN.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(PlanError) as refused:
            load(test_plans.declared(test_plans.written(folder, change)), test_plans.FACTS)
        assert OWN_WORDS not in chinese(str(refused.value))
    assert chinese(
        "flood/pack.yaml: flood/plan.json, table units, row 3, column kind: 'pumps' is no unit kind of the city; "
        "there are: crew, pump"
    ) == ("flood/plan.json，表 units，第 3 行，列 kind：'pumps' 不是本市的队伍种类；现有：crew, pump。")


def test_a_broken_drill_is_refused_in_a_chinese_sentence(tmp_path: Path) -> None:
    """Its rule, its key and its times."""
    city, told = cities.load("chengdu"), []
    changes: list[dict[str, Any]] = [{"lasts": "9h"}, {"nonsense": 1}, {"drill": "other"}]
    for number, changed in enumerate(changes):
        path = test_drills.written(tmp_path / str(number), **changed)
        with pytest.raises(DrillError) as refused:
            drills.load(path, city)
        told.append(chinese(str(refused.value)).removeprefix(str(path)))
    assert told == [
        " 的 lasts：9h 不在 1s 至 4h 之间。",
        "：没有这个键 `nonsense`；各键见 docs/drills.md。",
        " 的 drill：'other' 与文件名不一致；请写：drill: mine。",
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            'a/pack.yaml: rules[2].expr: unknown column "watter_level"; did you mean "water_level"?',
            'a/pack.yaml 的 rules[2].expr：没有名为 "watter_level" 的列；是否指 "water_level"？',
        ),
        (
            'a/pack.yaml: not YAML: mapping values are not allowed here in "<unicode string>", line 3, column 5: '
            "a: b: c ^; mend the line that it names",
            "a/pack.yaml：不是合法的 YAML：第 3 行第 5 列读不下去；"
            "请检查这一行及上一行的缩进、引号、括号和冒号（解析器原话："
            'mapping values are not allowed here in "<unicode string>", line 3, column 5: a: b: c ^）。',
        ),
        (
            "a/pack.yaml: rules[0].expr: 'value >= 1; SELECT 1' holds ';' at character 11, which no expression needs; "
            "write columns, numbers, 'texts', comparisons, AND, OR and NOT",
            "a/pack.yaml 的 rules[0].expr：'value >= 1; SELECT 1' 的第 11 个字符是 ';'，表达式用不到它；"
            "请只用列名、数字、'文字'、比较、AND、OR 和 NOT。",
        ),
        (
            "a/pack.yaml: rules[0].expr: something nobody has said before",
            "a/pack.yaml 的 rules[0].expr：内容不合要求，未采用；"
            "请按原话修改（程序原话：something nobody has said before）。",
        ),
        ("the disk is full", "内容不合要求，未采用；请按原话修改（程序原话：the disk is full）。"),
    ],
)
def test_a_fault_is_one_chinese_sentence(line: str, said: str) -> None:
    """What is known is said; what is not keeps the loader's words within a sentence."""
    assert chinese(line) == said


def test_faults_are_lines_in_both_languages() -> None:
    """The English ones as the loaders said them."""
    told = both("a/pack.yaml: domain: is missing; write text\na/pack.yaml: ruels: there is no such key")
    assert told["en"].count("\n") == told["zh"].count("\n") == 1
    assert told["zh"].splitlines()[1] == "a/pack.yaml 的 ruels：没有这个键。"
