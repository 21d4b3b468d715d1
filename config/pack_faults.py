"""Every fault of a declared value at once, each with its key, its value and what to write instead.

msgspec stops at the first fault, which is right for a wire and wrong for people: whoever mends a file wants the whole
list. It also lets unknown keys of a text pass, and ``{en: Parks, roads, zh: 园林}`` is a text cut short by its comma.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from models.nearest import hint

T = TypeVar("T")
SHOWN = 60  # characters of a value that are shown
_WORDS = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "a mapping"}


class Faults:
    """A collector of faults; ``prefix`` is the file that they are in."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.lines: list[str] = []

    def add(self, key: str, text: str) -> None:
        """One fault: at ``key`` (empty: the file as a whole), and what to do."""
        line = f"{self.prefix}: {key}: {text}" if key else f"{self.prefix}: {text}"
        if line not in self.lines:
            self.lines.append(line)

    def __bool__(self) -> bool:
        return bool(self.lines)


def converted(value: Any, shape: type[T], faults: Faults, key: str = "") -> T | None:
    """``value`` as ``shape``; None where it does not fit, with every fault told to ``faults``."""
    found = list(_walk(value, inspect.type_info(shape), key))
    for at, text in found:
        faults.add(at, text)
    if found:
        return None
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:  # a check that msgspec alone knows
        text, _, path = str(error).partition(" - at `$")
        faults.add(key + path.rstrip("`"), f"{shown(value)}: {text}")
        return None


def shown(value: Any) -> str:
    """A value as a message shows it."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


Found = Iterator[tuple[str, str]]


def _walk(value: Any, kind: inspect.Type, key: str) -> Found:
    """The faults of ``value`` as ``kind``: (key, what is wrong and what to do)."""
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    if isinstance(kind, inspect.UnionType):
        kind = _branch(value, kind)
        if isinstance(kind, inspect.UnionType):
            yield key, f"{shown(value)} is {_word(value)}; write {' or '.join(_asked(one) for one in kind.types)}"
            return
    check = next((check for of, check in _CHECKS.items() if isinstance(kind, of)), None)
    if check is not None:
        yield from check(value, kind, key)


def _branch(value: Any, kind: inspect.UnionType) -> inspect.Type:
    """The one of several shapes that the value is meant to have; all of them where it is none."""
    for one in kind.types:
        plain = one.type if isinstance(one, inspect.Metadata) else one
        fits = _PYTHON.get(type(plain))
        if fits is not None and isinstance(value, fits) and isinstance(value, bool) == (fits is bool):
            return plain
    rest = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
    return rest[0] if len(rest) == 1 else kind


_PYTHON: dict[type[inspect.Type], type | tuple[type, ...]] = {
    inspect.StructType: dict, inspect.DictType: dict, inspect.ListType: list, inspect.VarTupleType: list,
    inspect.TupleType: list, inspect.StrType: str, inspect.BoolType: bool, inspect.IntType: (int, float),
    inspect.FloatType: (int, float), inspect.LiteralType: str, inspect.NoneType: type(None),
}  # fmt: skip


def _word(value: Any) -> str:
    return "nothing" if value is None else _WORDS.get(type(value), type(value).__name__)


def _asked(kind: inspect.Type) -> str:
    """What is to be written where ``kind`` is wanted."""
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    if isinstance(kind, inspect.StructType):
        needed = [one.encode_name for one in kind.fields if one.required] or [
            one.encode_name for one in kind.fields[:3]
        ]
        return f"a mapping with {' and '.join(needed)}"
    if isinstance(kind, inspect.LiteralType):
        return f"one of {', '.join(map(str, kind.values))}"
    fits = _PYTHON.get(type(kind), object)
    first = fits[0] if isinstance(fits, tuple) else fits
    return "nothing" if isinstance(kind, inspect.NoneType) else _WORDS.get(first, "a value")


def _misfit(value: Any, kind: inspect.Type, key: str) -> tuple[str, str]:
    return key, f"{shown(value)} is {_word(value)}; write {_asked(kind)}"


def _struct(value: Any, kind: inspect.StructType, key: str) -> Found:
    if not isinstance(value, dict):
        yield _misfit(value, kind, key)
        return
    fields = {one.encode_name: one for one in kind.fields}
    before = f"{key}." if key else ""
    for name in value:
        if name not in fields:
            yield f"{before}{name}", f"there is no such key{hint(str(name), fields)}"
    for name, field in fields.items():
        if name in value:
            yield from _walk(value[name], field.type, before + name)
        elif field.required:
            meant = [other for other in value if other not in fields]
            if not any(hint(str(other), [name]).startswith("; did") for other in meant):  # told already
                yield f"{before}{name}", f"is missing; write {_asked(field.type)}"


def _list(value: Any, kind: inspect.ListType | inspect.VarTupleType, key: str) -> Found:
    if not isinstance(value, list):
        yield _misfit(value, kind, key)
        return
    for at, one in enumerate(value):
        yield from _walk(one, kind.item_type, f"{key}[{at}]")
    if kind.min_length is not None and len(value) < kind.min_length:
        yield key, f"{shown(value)} has {len(value)} entries; write at least {kind.min_length}"
    if kind.max_length is not None and len(value) > kind.max_length:
        yield key, f"{shown(value)} has {len(value)} entries; write at most {kind.max_length}"


def _tuple(value: Any, kind: inspect.TupleType, key: str) -> Found:
    if not isinstance(value, list) or len(value) != len(kind.item_types):
        yield key, f"{shown(value)} is not a list of {len(kind.item_types)}; write [low, high]"
        return
    for at, (one, of) in enumerate(zip(value, kind.item_types, strict=True)):
        yield from _walk(one, of, f"{key}[{at}]")


def _mapping(value: Any, kind: inspect.DictType, key: str) -> Found:
    if not isinstance(value, dict):
        yield _misfit(value, kind, key)
        return
    for name, one in value.items():
        yield from _walk(name, kind.key_type, f"{key}.{name}")
        yield from _walk(one, kind.value_type, f"{key}.{name}")


def _text(value: Any, kind: inspect.StrType, key: str) -> Found:
    if not isinstance(value, str):
        quoted = f'; put it in quotes: "{value}"' if isinstance(value, int | float) else "; write text"
        if kind.pattern is not None and isinstance(value, int | float) and re.search(kind.pattern, f"{value}s"):
            quoted = f"; write its unit too, as in {value}s"  # a duration
        yield key, f"{shown(value)} is {_word(value)}{quoted}"
    elif kind.pattern is not None and re.search(kind.pattern, value) is None:
        yield key, f"{shown(value)} {PATTERNS.get(kind.pattern, f'does not match {kind.pattern}')}"
    elif kind.min_length is not None and len(value) < kind.min_length:
        yield key, f"{shown(value)} is too short; write at least {kind.min_length} characters"
    elif kind.max_length is not None and len(value) > kind.max_length:
        yield key, f"{shown(value)} is too long; write at most {kind.max_length} characters"


def _number(value: Any, kind: inspect.IntType | inspect.FloatType, key: str) -> Found:
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield _misfit(value, kind, key)
        return
    if isinstance(kind, inspect.IntType) and value != int(value if math.isfinite(value) else 0):
        yield key, f"{shown(value)} is not whole; write a whole number"
    limits = {
        "at least": (kind.ge, kind.ge is None or value >= kind.ge),
        "more than": (kind.gt, kind.gt is None or value > kind.gt),
        "at most": (kind.le, kind.le is None or value <= kind.le),
        "less than": (kind.lt, kind.lt is None or value < kind.lt),
    }
    for word, (limit, holds) in limits.items():
        if not holds:
            yield key, f"{shown(value)} is out of bounds; write {word} {limit:g}"


def _choice(value: Any, kind: inspect.LiteralType, key: str) -> Found:
    known = [str(one) for one in kind.values]
    if value not in kind.values:
        yield key, f"{shown(value)} is unknown{hint(str(value), known)}"


def _flag(value: Any, kind: inspect.BoolType, key: str) -> Found:
    if not isinstance(value, bool):
        yield _misfit(value, kind, key)


_CHECKS: Mapping[Any, Callable[[Any, Any, str], Found]] = {
    inspect.StructType: _struct,
    inspect.ListType: _list,
    inspect.VarTupleType: _list,
    inspect.TupleType: _tuple,
    inspect.DictType: _mapping,
    inspect.StrType: _text,
    inspect.IntType: _number,
    inspect.FloatType: _number,
    inspect.LiteralType: _choice,
    inspect.BoolType: _flag,
}
PATTERNS: dict[str, str] = {}  # pattern of a text → what is wrong with one that does not match it, and the remedy


def each_once(names: Sequence[str], what: str, key: str, faults: Faults) -> None:
    """A fault for each name that is there more than once."""
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            faults.add(key, f'the {what} "{name}" is declared {names.count(name)} times; make them one or rename one')
