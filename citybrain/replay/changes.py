"""What is to be otherwise in a re-run: keys of rules, and the alert budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from citybrain.archive.files import ArchiveError
from config.pack import milliseconds
from models.rules import Rule, RuleError
from models.values import Severity

KEYS = ("expr", "clear", "for", "clear_for", "severity")
MOST_PER_HOUR = 1_000.0  # as of CITYBRAIN_ALERTS_PER_HOUR


@dataclass(frozen=True, slots=True)
class Changes:
    """``sets``: value by ``pack.Rule.key``, as a pack writes them; ``budget`` alerts an hour, None: as it was."""

    sets: Mapping[str, str] = field(default_factory=dict)
    budget: float | None = None

    def __post_init__(self) -> None:
        if self.budget is not None and not 0 <= self.budget <= MOST_PER_HOUR:
            raise ArchiveError(f"a budget of {self.budget:g} alerts an hour is not within 0 to {MOST_PER_HOUR:g}")


def parsed(lines: Sequence[str], budget: float | None) -> Changes:
    """``pack.Rule.key=value`` lines as changes; raises ``ArchiveError``."""
    sets = {}
    for line in lines:
        name, equals, value = line.partition("=")
        if not equals or name.count(".") != 2:
            raise ArchiveError(f"{line!r} sets nothing; write it as holiday-crowd.ZoneSurge.expr='ratio >= 2'")
        sets[name.strip()] = value.strip()
    return Changes(sets, budget)


def changed(rules: Sequence[Rule], changes: Changes) -> tuple[list[Rule], set[tuple[str, str]]]:
    """The rules as they are to be, and which of them (pack, name) are otherwise; raises ``ArchiveError``."""
    made = {(rule.pack, rule.name): rule for rule in rules}
    touched: set[tuple[str, str]] = set()
    for name, value in changes.sets.items():
        pack, rule, key = name.split(".")
        if (pack, rule) not in made:
            known = ", ".join(sorted(f"{one}.{two}" for one, two in made))
            raise ArchiveError(f"there is no rule {pack}.{rule}; there are {known}")
        made[pack, rule] = _with(made[pack, rule], name, key, value)
        touched.add((pack, rule))
    return list(made.values()), touched


def _with(rule: Rule, name: str, key: str, value: str) -> Rule:
    if key not in KEYS:
        raise ArchiveError(f"{name}: {key} cannot be set in a re-run; {', '.join(KEYS)} can")
    if key == "severity" and value not in get_args(Severity):
        raise ArchiveError(f"{name}: {value!r} is no severity; there are {', '.join(get_args(Severity))}")
    try:
        given: dict[str, Any] = {key: value}
        if key in ("for", "clear_for"):
            given = {f"{key}_ms": milliseconds(value)}
        return replace(rule, **given)
    except (RuleError, ValueError) as error:
        raise ArchiveError(f"{name}={value}: {error}") from error
