"""From a rule as a pack declares it to one that engines judge by (models/rules.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from string import Formatter

from config import alarm_keys
from config.alarm_keys import AlarmKeyError
from config.city_layers import KINDS as ZONE_KINDS
from config.pack_faults import Faults
from config.pack_shape import RuleKey
from config.pack_words import milliseconds
from models.detections import HEADLINE_WORDS
from models.nearest import hint
from models.rules import Rule, RuleError
from models.values import Text

ZONES = ("city", *ZONE_KINDS, "box")  # what zone_kind can be


@dataclass(frozen=True, slots=True)
class Known:
    """What a rule may name: properties, those that are summed with the kinds of zones they work on, and events."""

    properties: Sequence[str]
    zones: Mapping[str, tuple[str, ...]]
    events: Sequence[str]


def rule(key: RuleKey, pack: str, at: str, known: Known, faults: Faults) -> Rule | None:
    """The rule at ``at`` (as in ``rules[2]``) of ``pack``; None where it is wrong, which is told to ``faults``."""
    before = len(faults.lines)
    _subject(key, at, known, faults)
    _headlines(key.headline, at, faults)
    clear = _clear(key, at, faults)
    if clear is None:
        return None
    made = _made(key, pack, clear, at, known, faults)
    return made if len(faults.lines) == before else None


def _subject(key: RuleKey, at: str, known: Known, faults: Faults) -> None:
    """The rule is about something that the pack has."""
    if key.reads == "events":
        if key.property:
            faults.add(f"{at}.property", f'"{key.property}": a rule on events has no property; write event: <kind>')
        if key.event not in known.events:
            faults.add(f"{at}.event", f'"{key.event}" is not one of the pack\'s events{hint(key.event, known.events)}')
        if key.watch or key.line:
            faults.add(at, f"{key.alert}: watch and line are of readings and zones; take them out")
        return
    if key.event:
        faults.add(f"{at}.event", f'"{key.event}": write reads: events with it, or property instead')
    if key.property not in known.properties:
        text = f'"{key.property}" is not one of the pack\'s datastreams{hint(key.property, known.properties)}'
        faults.add(f"{at}.property", text)
    elif key.reads == "zones" and key.property not in known.zones:
        faults.add(f"{at}.property", f'"{key.property}" is not summed over zones; add it to zones: in this file')


def _headlines(text: Text, at: str, faults: Faults) -> None:
    """Every brace of both sentences holds a word that is known."""
    for language in ("en", "zh"):
        one = getattr(text, language)
        where = f"{at}.headline.{language}"
        try:
            parts = list(Formatter().parse(one))
        except ValueError as error:
            faults.add(where, f'"{one}": {error}; write a word in braces, as in {{place}}')
            continue
        for _, word, form, conversion in parts:
            if word is not None and word not in HEADLINE_WORDS:
                faults.add(where, f'"{one}": there is no word "{word}"{hint(word, HEADLINE_WORDS, "braces may hold")}')
            elif form or conversion:
                faults.add(where, f'"{one}": figures are rounded already; write {{{word}}} alone')


def _clear(key: RuleKey, at: str, faults: Faults) -> str | None:
    """The expression that ends the alert: as written, by the deadband, or that ``expr`` does not hold."""
    if key.deadband is None:
        return key.clear or f"NOT ({key.expr})"
    if key.clear:
        faults.add(f"{at}.deadband", f"{key.deadband:g} and clear say the same thing; keep one")
        return None
    try:
        return alarm_keys.clear_of(key.expr, key.deadband, key.property)
    except AlarmKeyError as error:
        faults.add("", f"{at}.{error}")
        return None


def _made(key: RuleKey, pack: str, clear: str, at: str, known: Known, faults: Faults) -> Rule | None:
    line = next(iter((key.line or {}).items()), None)
    if key.line is not None and len(key.line) != 1:
        faults.add(f"{at}.line", f"{key.line} has {len(key.line)} levels; write one, as in {{value: 0.27}}")
        return None
    try:
        made = Rule(
            pack=pack,
            name=key.alert,
            reads=key.reads,
            property=key.event if key.reads == "events" else key.property,
            expr=key.expr,
            clear=clear,
            severity=key.severity,
            headline=key.headline,
            title=key.title,
            for_ms=milliseconds(key.for_),
            clear_for_ms=milliseconds(key.clear_for),
            watch=key.watch,
            kind=key.kind,
            labels=key.labels,
            line=line[1] if line else None,
            line_of=line[0] if line else "value",
            zone_kinds=known.zones.get(key.property, ()) if key.reads == "zones" else (),
        )
    except RuleError as error:
        faults.add("", f"{at}.{error}")
        return None
    single = key.reads == "datastreams" and key.kind == "event"
    return replace(made, budgeted=single and (made.is_scored() if key.budget is None else key.budget))
