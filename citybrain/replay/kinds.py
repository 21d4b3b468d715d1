"""How each changed rule is judged anew: from the recorded ticks, from readings, from events, or from what was told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from citybrain.replay.changes import Name, Otherwise
from citybrain.replay.rules import judged_from_ticks
from config.site import Site
from models.rules import Rule

WORDS = ("severity", "headline", "labels", "fires", "ends")  # what decides nothing about when a rule holds


@dataclass(frozen=True, slots=True)
class Kinds:
    """``relabelled``: rules that hold when they held; ``removed``; ``zones``: of zones as they are in a tick;
    ``lines``: of zones with a look ahead; ``readings``: of datastreams, those of ``properties`` (pack, property);
    ``events``: whether events are taken again; ``whole``: shards, zones and budget are run again, which judges
    everything but events."""

    relabelled: frozenset[Name]
    removed: frozenset[Name]
    zones: frozenset[Name]
    lines: frozenset[Name]
    readings: frozenset[Name]
    properties: frozenset[Name]
    events: bool
    whole: bool


def kinds(site: Site, other: Otherwise) -> Kinds:
    """How the touched rules of ``other`` are judged."""
    was = {(rule.pack, rule.name): rule for rule in site.layouts.rules}
    now = {(rule.pack, rule.name): rule for rule in other.site.layouts.rules}
    removed = other.touched - now.keys()
    relabelled = frozenset(
        name for name in other.touched & was.keys() & now.keys() if _holds(was[name]) == _holds(now[name])
    )
    anew = [rules[name] for name in other.touched - removed - relabelled for rules in (was, now) if name in rules]
    return Kinds(
        relabelled=relabelled,
        removed=frozenset(removed),
        zones=_names(one for one in anew if judged_from_ticks(one)),
        lines=_names(one for one in anew if one.reads == "zones" and one.line is not None),
        readings=_names(one for one in anew if one.reads == "datastreams"),
        properties=frozenset((one.pack, one.property) for one in anew if one.reads == "datastreams"),
        events=any(one.reads == "events" for one in anew),
        whole=bool(other.detectors or other.zones) or any(one.budgeted or _of_no_tick(one) for one in anew),
    )


def _names(some: Iterable[Rule]) -> frozenset[Name]:
    return frozenset((one.pack, one.name) for one in some)


def _of_no_tick(rule: Rule) -> bool:
    """Whether a rule of zones reads what no tick holds: squares, deviations."""
    return rule.reads == "zones" and rule.line is None and not judged_from_ticks(rule)


def _holds(rule: Rule) -> tuple[object, ...]:
    return tuple(getattr(rule, one.name) for one in fields(rule) if one.name not in WORDS)
