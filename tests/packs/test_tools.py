"""The tools: tests of packs run, a new pack is sound, schema and cards are as the packs are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from citybrain.commands import packs as command
from citybrain.packs import begin, cards, complete, schema, trial
from config import pack as packs
from config.pack import FOLDER, parse
from config.pack_tests import NotationError, values
from tests.config.test_packs import Declared, sound, write


def tried(**test: Any) -> trial.Result:
    """The result of one test of the pack ``noise``, whose rule Loud holds above 85 dB for 90 s."""
    declared: Declared = {**sound(), "tests": [{"name": "it", **test}]}
    (result,) = trial.run(parse(declared, FOLDER / "noise"))
    return result


LOUD = {"property": "loudness", "every": "30s", "values": "60x3 90x5 60x3"}  # above the line from 2 min to 4.5 min


def test_what_fires_when_it_should_holds() -> None:
    """A series and its alert, with the delay of the rule."""
    result = tried(series=[LOUD], gives=[{"alert": "Loud", "not_before": "3m", "after": "4m", "until": "5m"}])
    assert result.faults == ()
    assert [(one.alert, one.at_ms, one.ended_ms) for one in result.fired] == [("Loud", 210_000, 300_000)]


@pytest.mark.parametrize(
    ("gives", "fault"),
    [
        ({"after": "3m"}, "Loud does not fire at place between 0s and 3m; it fires after 210s"),
        ({"not_before": "4m", "after": "5m"}, "Loud does not fire at place between 4m and 5m; it fires after 210s"),
        ({"after": "4m", "until": "4m"}, "Loud ends after 5m; it should until 4m"),
    ],
)
def test_what_comes_too_late_too_early_or_stays_fails(gives: dict[str, str], fault: str) -> None:
    """Each with what was asked and what was seen."""
    assert tried(series=[LOUD], gives=[{"alert": "Loud", **gives}]).faults[0] == fault


def test_what_must_not_fire_and_does_fails() -> None:
    """By name, place and time."""
    assert tried(series=[LOUD], never=["Loud"]).faults == ("Loud fires at place after 210s; it should not",)


def test_a_column_that_the_rule_reads_and_the_test_lacks_is_named() -> None:
    """Instead of an alert that never comes."""
    series = {"property": "loudness", "values": "90x5", "columns": {"zone_kind": "district"}}
    (fault,) = tried(series=[series], gives=[{"alert": "LoudZone", "after": "5m"}]).faults
    assert fault.endswith("; it reads score, which the series does not give: add columns")


def test_a_series_of_a_zone_is_judged_by_the_rules_on_zones() -> None:
    """And by no other; the kinds of zones that they see count."""
    declared = sound()
    declared["zones"][0]["kinds"] = ["venue"]
    columns = {"score": "0x1 7x2"}
    declared["tests"] = [
        {
            "name": "a venue is told, a district is not",
            "series": [
                {"property": "loudness", "values": "99x4", "columns": {**columns, "zone_kind": kind}, "at": kind}
                for kind in ("venue", "district")
            ],
            "gives": [{"alert": "LoudZone", "after": "3m", "at": "venue"}],
            "never": ["Loud"],
        }
    ]
    (result,) = trial.run(parse(declared, FOLDER / "noise"))
    assert result.faults == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", [1]),
        ("0.5x2 3", [0.5, 0.5, 0.5, 3]),
        ("1+2x2", [1, 3, 5]),
        ("-1-0.5x1", [-1, -1.5]),
        ("1e2", [100]),
    ],
)
def test_the_notation_of_series(text: str, expected: list[float]) -> None:
    """As promtool reads it."""
    assert values(text) == tuple(expected)


def test_a_gap_is_no_reading() -> None:
    """What is under way goes on over it."""
    gap = {**LOUD, "values": "60x3 90 _x3 90 60"}
    assert [one.at_ms for one in tried(series=[gap], gives=[{"alert": "Loud", "after": "5m"}]).fired] == [270_000]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1 two", '"two" is no value; write 0.02'),
        ("1+2", '"1+2" rises without end; say how often, as in 1+2x5'),
        ("1x3000", '"1x3000" makes more than 2000 values'),
        (" ", '" " has no values'),
    ],
)
def test_what_is_no_series_is_refused(text: str, says: str) -> None:
    """With the part and what to write."""
    with pytest.raises(NotationError) as refused:
        values(text)
    assert str(refused.value).startswith(says)


def test_a_new_pack_is_sound_and_its_tests_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a draft, and after its first word is live: pack, plan, runbook, drill and tests."""
    assert command.new("lift-rescue", "trapped", "lift", tmp_path) == 0
    assert command.check(tmp_path) == 0
    path = tmp_path / "lift-rescue" / "pack.yaml"
    path.write_text(path.read_text("utf-8").replace("status: draft", "status: live"), "utf-8")
    assert (command.check(tmp_path), command.test(tmp_path)) == (0, 0)
    assert len(path.read_text("utf-8").splitlines()) < 80
    assert "2 tests of 1 packs, 0 failed, 0 faults" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "says"), [("Lift", "small letters"), ("a b", "small letters"), ("noise", "is there")])
def test_what_cannot_be_begun_is_told(tmp_path: Path, name: str, says: str) -> None:
    """A name that is none, or that is taken."""
    (tmp_path / "noise").mkdir()
    with pytest.raises(begin.BeginError, match=says):
        begin.begin(tmp_path, name)


def test_the_schema_in_the_repository_is_current() -> None:
    """``citybrain packs schema --write`` would change nothing."""
    assert schema.FILE.read_text("utf-8") == schema.text()


@pytest.mark.parametrize("name", sorted(path.parent.name for path in FOLDER.glob("*/pack.yaml")))
def test_every_shipped_pack_fits_the_schema_and_names_it(name: str) -> None:
    """What editors underline is wrong, and nothing else is."""
    text = (FOLDER / name / "pack.yaml").read_text("utf-8")
    assert text.startswith(schema.HEAD)
    jsonschema_rs.validate(schema.schema(), yaml.safe_load(text))


def test_the_schema_underlines_what_is_wrong() -> None:
    """A key that is not, a word that is not and a text without its Chinese."""
    validator = jsonschema_rs.validator_for(schema.schema())
    assert validator.is_valid(sound())
    for key, value in (("colour", "red"), ("domain", "noise"), ("title", {"en": "Noise"}), ("rules", [{}])):
        assert not validator.is_valid({**sound(), key: value})


def test_the_cards_in_the_repository_are_current() -> None:
    """``citybrain packs cards`` would change nothing."""
    pages = cards.cards()
    assert [path.name for path, text in pages.items() if path.read_text("utf-8") != text] == []
    there = {path for path in cards.DOCS.glob("*.md") if not path.name.endswith(cards.BY_HAND)}
    assert there == set(pages)


def test_a_card_tells_what_the_pack_tells(tmp_path: Path) -> None:
    """Both titles, each rule with its colour, and the tests."""
    declared = sound() | {"tests": [{"name": "it is loud", "series": [LOUD], "never": ["LoudZone"]}]}
    text = cards.card(packs.load(write(tmp_path, declared)), tmp_path / "noise", tmp_path)
    for told in ("# Noise · 噪声", "| `Loud` | blue 蓝 | loudness: `value > 85`, for 90 s |", "- test: it is loud"):
        assert told in text


def test_a_failing_test_fails_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, and the JSON says which."""
    write(tmp_path, sound() | {"tests": [{"name": "it is quiet", "series": [LOUD], "never": ["Loud"]}]})
    assert command.test(tmp_path, as_json=True) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["failed"], told["tests"][0]["faults"]) == (1, ["Loud fires at place after 210s; it should not"])


def test_a_name_that_is_no_pack_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With what was probably meant."""
    write(tmp_path, sound())
    assert command.check(tmp_path, ["nose"]) == 2
    assert capsys.readouterr().err == 'there is no pack "nose"; did you mean "noise"?\n'


def test_a_running_pack_must_have_its_runbook_and_a_test(tmp_path: Path) -> None:
    """A draft may lack them."""
    write(tmp_path, sound())
    assert complete.faults(tmp_path) == [
        "noise/runbook.md: no such file; write one with the sections "
        "Meaning, Impact, Diagnosis, Mitigation, 含义, 影响, 诊断, 处置",
        "noise/pack.yaml: tests: [] has none; write one that gives an alert, or status: draft",
    ]
    write(tmp_path, sound() | {"status": "draft"})
    assert complete.faults(tmp_path) == []
