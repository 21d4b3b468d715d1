"""What a pack says about the life of its alerts: demands of a rule, grouping, inhibition (docs/packs-format.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

import msgspec

from config.pack_words import Duration
from models.grouping import CELL_M, Grouping
from models.nearest import hint
from models.pipeline import Inhibition, Match, Where
from models.values import Kind

Metres = Annotated[float, msgspec.Meta(gt=0, le=CELL_M)]
_LINE = re.compile(r"\s*([A-Za-z_]\w*)\s*(>=|>|<=|<)\s*(-?[0-9]+(?:\.[0-9]+)?)\s*")


class AlarmKeyError(ValueError):
    """A key about alerts cannot be used; the message names the key, the value and the remedy."""


class GroupKey(msgspec.Struct, forbid_unknown_fields=True, frozen=True, rename={"with_": "with"}):
    """How a pack's alerts come together in incidents; ``with`` names packs that are about the same thing."""

    near_m: Metres = Grouping().near_m
    window: Duration = "30m"
    with_: list[str] = []


class MatchKey(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Alerts of a rule, of a kind, or both; ``pack`` is this one where a rule is named without."""

    rule: str = ""
    kind: Kind | None = None
    pack: str = ""

    def match(self, here: str) -> Match:
        """What is meant, in the pack ``here``."""
        return Match(pack=self.pack or (here if self.rule else ""), rule=self.rule, kind=self.kind or "")


class InhibitKey(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """While an alert of ``source`` lasts, those of ``target`` follow from it and are suppressed."""

    source: MatchKey
    target: MatchKey
    where: Where = "same-place"
    near_m: Metres | None = None


def inhibition(key: InhibitKey, here: str, where: str) -> Inhibition:
    """The inhibition that the pack ``here`` declares; raises ``AlarmKeyError``."""
    for name, match in (("source", key.source), ("target", key.target)):
        if not match.rule and match.kind is None:
            raise AlarmKeyError(f"{where}.{name}: fits every alert; name a rule or a kind")
    if (key.where == "near") != (key.near_m is not None):
        raise AlarmKeyError(f"{where}: where: near and near_m belong together; give both or neither")
    target = key.target.match(here)
    # a pack speaks for its own alerts alone, whatever explains them
    own = target if target.pack else Match(here, target.rule, target.kind)
    return Inhibition(key.source.match(here), own, key.where, key.near_m or 0.0)


def grouping(key: GroupKey, window_ms: int) -> Grouping:
    """How the pack's alerts come together."""
    return Grouping(key.near_m, window_ms, frozenset(key.with_))


def clear_of(expr: str, deadband: float, property: str = "") -> str:
    """The expression that ends an alert of ``expr``, ``deadband`` (in the value's unit) away from its line.

    Only for a plain line, ``value >= 0.27``, where ``value`` may go by the name of its ``property``; raises
    ``AlarmKeyError`` for anything else.
    """
    match = _LINE.fullmatch(expr)
    if match is None or match[1] not in ("value", property):
        raise AlarmKeyError(
            f"deadband: {expr!r} is not one line on the value, as in value >= 0.27; write clear instead"
        )
    if not deadband > 0:
        raise AlarmKeyError(f"deadband: {deadband:g} is not above 0; leave it out for none")
    over, line = match[2].startswith(">"), float(match[3])
    back = line - deadband if over else line + deadband
    return f"value {'<' if over else '>'} {back:.12g}"


def unknown_names(
    rules: Mapping[str, set[str]],
    groups: Mapping[str, Grouping],
    inhibitions: Mapping[str, tuple[Inhibition, ...]],
    absent: frozenset[str] = frozenset(),
) -> dict[str, list[str]]:
    """Per pack what it says of a pack or a rule that there is not; ``absent`` packs are there, but not in force.

    ``rules`` are the names of each loaded pack's rules; the others are what each pack declares.
    """
    wrong: dict[str, list[str]] = {}
    for pack, one in groups.items():
        for other in sorted(one.related - rules.keys() - absent):
            wrong.setdefault(pack, []).append(
                f'{pack}/pack.yaml: group.with: there is no pack "{other}"{hint(other, rules)}'
            )
    for pack, declared in inhibitions.items():
        for number, inhibition_ in enumerate(declared):
            for name, match in (("source", inhibition_.source), ("target", inhibition_.target)):
                text = _unknown(match, rules, absent)
                if text:
                    wrong.setdefault(pack, []).append(f"{pack}/pack.yaml: inhibit[{number}].{name}.{text}")
    return wrong


def _unknown(match: Match, rules: Mapping[str, set[str]], absent: frozenset[str]) -> str:
    """What ``match`` names that there is not; empty where all is there."""
    if not match.pack or match.pack in absent:
        return ""
    if match.pack not in rules:
        return f'pack: there is no pack "{match.pack}"{hint(match.pack, rules)}'
    if match.rule and match.rule not in rules[match.pack]:
        known = sorted(rules[match.pack])
        return f'rule: {match.pack} has no rule "{match.rule}"{hint(match.rule, known)}'
    return ""
