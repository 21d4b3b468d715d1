"""Every word in both languages, none that nobody says, and nothing said that is no word."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import get_args

import pytest

import wall
from models.values import SEVERITIES, Action, State
from wall.words import LANGUAGES, WORDS, Word, catalogue, language, read, word

ROOT = Path(wall.__file__).parent
SOURCES = sorted(path for path in ROOT.rglob("*") if path.suffix in (".py", ".mjs") and path.name != "words.py")
HANZI = re.compile(r"[\u3400-\u9fff]")
# Keys that are put together where they are used: "severity." + level. A literal `x.${…}` or f"x.{…}" must stand there.
PUT_TOGETHER = re.compile(r"[`\"]([a-z][a-z.-]*\.)(?:\$\{|\{)")
# English has no counting words, and a language offers the other in its own name.
CHINESE_ONLY = {f"unit.of.{what}" for what in ("people", "visitors", "pedestrians", "entered", "left", "vehicles")}
OWN_NAME = {"head.lang"}


def forms(found: Word) -> tuple[str, ...]:
    return (found,) if isinstance(found, str) else found


def fields(found: Word) -> set[str]:
    return {name for text in forms(found) for _, name, _, _ in Formatter().parse(text) if name}


def source(path: Path) -> str:
    return path.read_text("utf-8")


def families() -> tuple[str, ...]:
    return tuple({prefix for path in SOURCES for prefix in PUT_TOGETHER.findall(source(path))})


def test_both_languages_have_the_same_words() -> None:
    """No word is missing in one of them."""
    assert WORDS["zh"].keys() - WORDS["en"].keys() == CHINESE_ONLY
    assert WORDS["en"].keys() - WORDS["zh"].keys() == set()


def test_no_word_is_left_untranslated() -> None:
    """A word without text is found."""
    empty = [(lang, key) for lang in LANGUAGES for key, found in WORDS[lang].items() if not all(forms(found))]
    assert empty == []


def test_chinese_is_chinese_and_english_is_not() -> None:
    """A word that was left in the other language is found."""
    latin = {key for key, found in WORDS["zh"].items() if not all(HANZI.search(text) for text in forms(found))}
    hanzi = {key for key, found in WORDS["en"].items() if any(HANZI.search(text) for text in forms(found))}
    assert latin == OWN_NAME
    assert hanzi == OWN_NAME


def test_both_languages_fill_in_the_same_fields() -> None:
    """What is told in one language is told in the other."""
    differing = [key for key in WORDS["en"] if fields(WORDS["zh"][key]) != fields(WORDS["en"][key])]
    assert differing == []


def test_every_word_asked_for_exists() -> None:
    """A page never asks for a word that the catalogue does not have."""
    asked = {key for path in SOURCES for key in re.findall(r'\b(?:word|t)\(\s*"([a-z.\-0-9]+)"', source(path))}
    assert len(asked) > 40
    assert asked - WORDS["zh"].keys() == set()


def test_no_word_is_unused() -> None:
    """What no page says is taken out."""
    text = "\n".join(source(path) for path in SOURCES)
    unused = [key for key in WORDS["zh"] if f'"{key}"' not in text and not key.startswith(families())]
    assert unused == []


def test_states_severities_and_actions_have_words() -> None:
    """Whatever the stream can say of an alert can be read."""
    wanted = {f"alert.{state}" for state in get_args(State)} | {f"step.{action}" for action in get_args(Action)}
    wanted |= {f"severity.{level + 1}" for level in range(len(SEVERITIES))}
    assert wanted - WORDS["zh"].keys() == set()


def script_strings(text: str) -> Iterator[str]:
    """The string literals of a script, without its comments."""
    bare = re.sub(r"(?m)(?<![:\"'`])//.*$", "", text)
    for double, ticked in re.findall(r'"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`', bare):
        yield double or ticked


def python_strings(text: str) -> Iterator[str]:
    """The string literals of a module, without its docstrings."""
    tree = ast.parse(text)
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_speaks_chinese_by_itself(path: Path) -> None:
    """What is said in Chinese stands in the catalogue, where its English is too."""
    strings = script_strings if path.suffix == ".mjs" else python_strings
    allowed = {"万"} if path.name == "format.mjs" else set()  # part of a number, as "M" is
    assert [it for it in strings(source(path)) if HANZI.search(it) and it not in allowed] == []


def test_no_component_speaks_english_by_itself() -> None:
    """A Dash component's text is a word of the catalogue, never a sentence in the code."""
    spoken = []
    for path in SOURCES:
        if path.suffix != ".py" or path.parent.name not in ("scenes", "components"):
            continue
        for call in (node for node in ast.walk(ast.parse(source(path))) if isinstance(node, ast.Call)):
            if not (isinstance(call.func, ast.Attribute) and getattr(call.func.value, "id", "") in ("html", "dcc")):
                continue
            texts = [*call.args, *(it.value for it in call.keywords if it.arg in ("children", "title", "placeholder"))]
            told = [it.value for it in texts if isinstance(it, ast.Constant) and isinstance(it.value, str)]
            spoken += [(path.name, it) for it in told if re.search(r"[A-Za-z]{2}", it)]
    assert spoken == []


def test_no_script_speaks_english_by_itself() -> None:
    """Text given to an element is a word of the catalogue: el("p", {}, "Some words") is found."""
    literal = re.compile(r'(?<![.#\w])(?:el\([^()]*\{[^{}]*\},|say\([^(),]+,|textContent =)\s*"([A-Za-z]{2}[^"]*)"')
    spoken = [(path.name, it) for path in SOURCES if path.suffix == ".mjs" for it in literal.findall(source(path))]
    assert spoken == []


def test_a_word_has_the_form_of_its_number() -> None:
    """One alert, two alerts; Chinese has one form for all."""
    assert word("queue.folded", "en", 1) == "{n} alert"
    assert word("queue.folded", "en", 2) == "{n} alerts"
    assert word("queue.folded", "zh", 1) == word("queue.folded", "zh", 2)


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    """Two files cannot give one word two meanings."""
    folder = tmp_path / "en" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    for name in ("a.po", "b.po"):
        (folder / name).write_text('msgid ""\nmsgstr ""\n\nmsgid "same"\nmsgstr "Same"\n')
    with pytest.raises(ValueError, match=r"b\.po: the word 'same' stands in another file too"):
        read("en", tmp_path)


def test_the_language_is_asked_for_remembered_or_the_browsers() -> None:
    """Chinese unless somebody says otherwise."""
    assert language("en", "zh-CN") == "en"
    assert language(None, "en-GB,en;q=0.9,zh;q=0.5") == "en"
    assert language("fr", "fr-FR") == "zh"
    assert catalogue("en")["severity.1"] == "Extreme"
