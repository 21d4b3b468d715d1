"""What a pack says of its sensors' faults: nothing gives all that suit; the rest is switched off or tuned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from config import pack as packs
from config.pack import PackError
from models.soundness import Checks, checks
from tests.config.test_packs import sound, write

NINETY_S = 90_000


def loaded(root: Path, **keys: Any) -> Checks | None:
    """The checks of a pack whose datastream says this."""
    declared = sound()
    declared["datastreams"][0] |= keys
    return packs.load(write(root, declared)).watched[0].checks


def test_every_property_has_all_that_suit_without_a_word(tmp_path: Path) -> None:
    """A level may rest at zero; counts may not."""
    assert loaded(tmp_path) == checks(NINETY_S, counts=False)
    counted = loaded(tmp_path, parameters={"counts": True})
    assert counted == checks(NINETY_S, counts=True)
    assert counted is not None
    assert counted.zeros


def test_checks_are_switched_off_and_tuned(tmp_path: Path) -> None:
    """All at once, one by one, or with parameters of their own; the others stay as they are."""
    assert loaded(tmp_path, quality=False) is None
    some = loaded(tmp_path, quality={"stuck": {"margin_s": 300, "least": 5}, "silent": False, "copies": False})
    assert some is not None
    usual = checks(NINETY_S, counts=False)
    assert some.stuck is not None
    assert usual.stuck is not None
    assert (some.stuck.margin_s, some.stuck.least, some.stuck.rest_s) == (300, 5, usual.stuck.rest_s)
    assert (some.silent, some.copies, some.zeros) == (None, None, False)
    without = loaded(tmp_path, parameters={"counts": True}, quality={"stuck": False})
    assert without is not None
    assert not without.zeros


@pytest.mark.parametrize(
    ("quality", "says"),
    [
        ({"stuk": True}, r"datastreams\[0\].quality.stuk: there is no such key; did you mean"),
        ({"stuck": {"colour": 1}}, r"datastreams\[0\].quality: .*colour"),
        ({"stuck": {"margin_s": 0}}, r"datastreams\[0\].quality: margin_s is 0; use at least 1.0"),
        ({"silent": {"margin": "long"}}, r"datastreams\[0\].quality: "),
        ("never", r"datastreams\[0\].quality: "),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, quality: Any, says: str) -> None:
    """Unknown checks and parameters are named with file and key."""
    with pytest.raises(PackError, match=says):
        loaded(tmp_path, quality=quality)


@pytest.mark.parametrize(
    ("rule", "budgeted"),
    [
        ({}, False),
        ({"expr": "score > 5"}, True),
        ({"watch": 4}, True),
        ({"expr": "score > 5", "budget": False}, False),
        ({"expr": "value > 85", "budget": True}, True),
        ({"expr": "score > 5", "kind": "data-quality", "budget": True}, False),
    ],
)
def test_the_budget_judges_single_scores_unless_the_pack_says_otherwise(
    tmp_path: Path, rule: dict[str, Any], budgeted: bool
) -> None:
    """A line that was passed is an alert at once; a strange score is a claim. Zones and faults never ask."""
    declared = sound()
    declared["rules"][0] |= rule
    made = packs.load(write(tmp_path, declared)).rules
    assert [one.budgeted for one in made] == [budgeted, False]
