"""Faults of packs, plans and drills in Chinese: the loaders say them in English, for logs and the command line.

Each line names file, key, value and remedy. Its sentence is looked up among those of ``wall/locale/zh/faults.po``; one
that is not there becomes a sentence that says where the fault is, with the loader's own words as detail.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from string import Formatter

from babel.messages.pofile import read_po

from wall.words import LOCALE

FILE = LOCALE / "zh" / "faults.po"
_LINE = re.compile(r"(?P<file>[^:]*?\.(?:ya?ml|json|md))(?P<place>, [^:]+)?: (?P<text>.*)", re.DOTALL)
_KEY = re.compile(r"(?P<key>(?:## [^:]+|[\w.#*\[\]-]+)): (?P<text>.*)", re.DOTALL)
_AT = re.compile(r"line (\d+), column (\d+)")
_PART = re.compile(r"(table|row|column) (.+)")
_KINDS = r"text|a number|a list|a mapping|nothing|true or false"
_NARROW = {  # what a field holds; a semicolon ends all others, unless it is within quotes
    "kind": _KINDS, "count": r"[\d,]+", "row": r"\d+", "level": r"\d+", "setting": r"[a-z]+(?: [a-z]+)*",
    "quoted": r"'[^']*'|\"[^\"]*\"", "detail": ".+", "more": ".+", "where": ".+?",
}  # fmt: skip
_ANY = r"(?:\"[^\"]*\"|'[^']*'|(?!; ).)+?"


def both(text: str) -> dict[str, str]:
    """Faults, a line each, in both languages."""
    return {"en": text, "zh": "\n".join(map(chinese, text.splitlines()))}


def chinese(line: str) -> str:
    """One fault as a Chinese sentence: where, what, and what to do."""
    found = _LINE.fullmatch(line)
    if found is None:
        return _own("fault without a place", said=_said(line))
    where, text = found["file"] + _place(found["place"] or ""), found["text"].strip()
    if _LINE.fullmatch(text):  # a pack that names a plan which is at fault
        return chinese(text)
    keyed = _KEY.fullmatch(text)
    if keyed is not None:
        where, text = _own("key", file=where, key=keyed["key"]), keyed["text"]
    return _own("fault", where=where, said=_said(text)).replace("\uff1f\u3002", "\uff1f")  # a question has its mark


def _said(text: str) -> str:
    """What is wrong and what to do."""
    return _sentence(text) or _own("own words", text=text)


def _sentence(text: str) -> str | None:
    """The sentence of a text that is known as a whole, or as what is wrong and its remedy."""
    for what, remedy in _halves(text):
        said, done = _known(what), _known(remedy)
        if said is not None and done is not None:
            return _own("what and remedy", what=said, remedy=done)
    whole = _known(text)
    if whole is not None:
        return whole
    for what, remedy in _halves(text):
        said = _known(what)
        if said is not None:
            return _own("what and own words", what=said, text=remedy)
    return None


def _halves(text: str) -> Iterator[tuple[str, str]]:
    """Each way of cutting a text in two at a semicolon."""
    for cut in re.finditer("; ", text):
        yield text[: cut.start()], text[cut.end() :]


def _known(text: str) -> str | None:
    for pattern, told in _table():
        found = pattern.fullmatch(text)
        if found is not None:
            return told.format(**{name: _word(value) for name, value in found.groupdict().items()}, line_told=_at(text))
    return None


def _word(value: str) -> str:
    """A word of the loaders, as in ``a list``; what a person wrote stays as it is."""
    told = _entries().get(value)
    if told is not None:
        return told
    if " or " in value and all(one in _entries() for one in value.split(" or ")):
        return _own("or").join(_entries()[one] for one in value.split(" or "))
    for said in ("a mapping with {keys}", "a number from {low}"):
        found = re.fullmatch(said.partition("{")[0] + "(.+)", value)
        if found:
            return _entries()[said].format(keys=found[1].replace(" and ", _own("and")), low=found[1])
    return value.removeprefix("one of ")


def _at(text: str) -> str:
    """Where a parser gave up: the last line that it names."""
    found = _AT.findall(text)
    return _own("at", line=found[-1][0], column=found[-1][1]) if found else _own("at none")


def _place(said: str) -> str:
    """Table, row and column of a plan."""
    parts = [_PART.fullmatch(part) or part for part in said.split(", ") if part]
    told = [
        _own(f"place {part}") if part == "head line" else part
        if isinstance(part, str)
        else _own(f"place {part[1]}", name=part[2])
        for part in parts
    ]  # fmt: skip
    return "".join(_own("then") + one for one in told)


def _own(key: str, /, **given: str) -> str:
    """A sentence or word of this module."""
    return _entries()[f"<{key}>"].format(**given)


@cache
def _table() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Patterns of the catalogue's sentences, in its order, and their Chinese."""
    return tuple((_pattern(told), zh) for told, zh in _entries().items() if not told.startswith("<"))


@cache
def _entries() -> dict[str, str]:
    with FILE.open("rb") as file:
        return {str(one.id): str(one.string) for one in read_po(file, locale="zh", abort_invalid=True) if one.id}


def _pattern(told: str) -> re.Pattern[str]:
    parts = [
        re.escape(before) + (f"(?P<{name}>{_NARROW.get(name, _ANY)})" if name else "")
        for before, name, _, _ in Formatter().parse(told)
    ]
    return re.compile("".join(parts), re.DOTALL)
