"""Every word in both languages, and none that nobody says."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter
from typing import get_args

import pytest

import wall
from models.values import SEVERITIES, Action, State
from wall.words import WORDS, catalogue, language

ROOT = Path(wall.__file__).parent
SOURCES = [path for path in ROOT.rglob("*") if path.suffix in (".py", ".mjs") and path.name != "words.py"]
# keys that are put together where they are used
FAMILIES = (
    "level.",
    "severity.",
    "alert.",
    "source.",
    "step.",
    "property.",
    "unit.",
    "badge.",
    "empty.",
    "watch.wants.",
    "fault.",
    "incident.state.",
    "incident.do.",
)


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("key", WORDS)
def test_no_word_is_missing(key: str) -> None:
    """Each word has both languages, with the same fields to fill in."""
    chinese, english = WORDS[key]
    assert chinese.strip()
    assert english.strip() or key == "unit.1"
    assert fields(chinese) == fields(english)


def test_chinese_is_chinese() -> None:
    """A word that was left in English is found."""
    latin = [key for key, (zh, _) in WORDS.items() if not re.search(r"[\u4e00-\u9fff]", zh)]
    assert latin == ["head.lang"]  # which offers the other language in its own name


def test_every_word_asked_for_exists() -> None:
    """A page never asks for a word that the catalogue does not have."""
    text = "\n".join(path.read_text("utf-8") for path in SOURCES)
    asked = set(re.findall(r'\b(?:word|t)\(\s*"([a-z.\-0-9]+)"', text))
    assert len(asked) > 40
    assert asked - WORDS.keys() == set()


def test_no_word_is_unused() -> None:
    """What no page says is taken out."""
    text = "\n".join(path.read_text("utf-8") for path in SOURCES)
    unused = [key for key in WORDS if f'"{key}"' not in text and not key.startswith(FAMILIES)]
    assert unused == []


def test_states_severities_and_actions_have_words() -> None:
    """Whatever the stream can say of an alert can be read."""
    wanted = {f"alert.{state}" for state in get_args(State)} | {f"step.{action}" for action in get_args(Action)}
    wanted |= {f"severity.{level + 1}" for level in range(len(SEVERITIES))}
    assert wanted - WORDS.keys() == set()


def test_the_language_is_asked_for_remembered_or_the_browsers() -> None:
    """Chinese unless somebody says otherwise."""
    assert language("en", "zh-CN") == "en"
    assert language(None, "en-GB,en;q=0.9,zh;q=0.5") == "en"
    assert language("fr", "fr-FR") == "zh"
    assert catalogue("en")["severity.1"] == "Extreme"
