"""Packs: one scenario each, declared in one folder ``config/packs/<pack>/``; loaded whole or not at all."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml

from config import alarm_keys
from config.alarm_keys import AlarmKeyError, GroupKey, InhibitKey
from config.plan_shape import Declared
from config.quality import QualityKey
from config.quality import declared as declared_checks
from config.scenes import Scene, SceneError, SceneKey
from config.scenes import scene as scene_of
from models.alarm import Demands
from models.detections import HEADLINE_WORDS, headline
from models.detectors import BadParameter, Detector, get
from models.grouping import Grouping
from models.pipeline import Inhibition
from models.rules import Rule, RuleError
from models.soundness import Checks
from models.values import Kind, Severity, Text

FOLDER = Path(__file__).parent / "packs"
_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = r"^([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)$"
_NAME = r"^[A-Za-z][A-Za-z0-9_-]*$"
Duration = Annotated[str, msgspec.Meta(pattern=_DURATION)]
Name = Annotated[str, msgspec.Meta(pattern=_NAME)]  # becomes part of ids


class PackError(ValueError):
    """A pack cannot be loaded; the message names the file, the key, the value and the remedy."""


def milliseconds(duration: str) -> int:
    """``"5s"``, ``"1.5m"``, ``"24h"`` as milliseconds; raises ``ValueError`` when it is no duration."""
    match = re.fullmatch(_DURATION, duration)
    if match is None:
        raise ValueError(f"{duration!r} is no duration; write a number and ms, s, m, h or d, as in 90s")
    return round(float(match[1]) * _UNITS_MS[match[2]])


class _Once(yaml.SafeLoader):
    """YAML in which a key written twice is an error, for the first would be dropped in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping; raises ``yaml.YAMLError`` where a key occurs twice."""
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key} is written {keys.count(key)} times; keep one", node.start_mark
                )
        return super().construct_mapping(node, deep)


class _Datastreams(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    property: Name
    kinds: Annotated[list[Name], msgspec.Meta(min_length=1)]
    unit: str
    range: tuple[float, float]
    cadence: Duration
    detector: str
    parameters: dict[str, Any] = {}
    quality: QualityKey | bool = True


class _Zones(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    property: str
    detector: str
    parameters: dict[str, Any] = {}


class _Rule(msgspec.Struct, forbid_unknown_fields=True, frozen=True, rename={"for_": "for"}):
    alert: Name
    reads: Literal["datastreams", "zones"]
    property: str
    expr: str
    severity: Severity
    headline: Text
    clear: str = ""
    for_: Duration = "0s"
    clear_for: Duration = "0s"
    watch: float = 0.0
    kind: Kind = "event"
    labels: dict[str, str] = {}
    deadband: float | None = None
    latch: bool = False
    confirm: bool = False
    realarm: Duration = "0s"
    line: Annotated[dict[str, float], msgspec.Meta(min_length=1, max_length=1)] | None = None  # it tells the crossing
    budget: bool | None = None  # does the alert budget judge it? left out: where it looks at single scores


class PlanKey(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where a response plan's table lies and how it is used (docs/plans.md); ``reads`` are columns it must have."""

    table: str
    reads: Annotated[list[str], msgspec.Meta(min_length=1)]
    calm: Duration = "10m"
    margin: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.1


class _Pack(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    pack: str
    title: Text
    owner: Text
    domain: Literal["economy", "market-supervision", "social-management", "public-services", "environment", "appeals"]
    datastreams: list[_Datastreams]
    rules: list[_Rule]
    zones: list[_Zones] = []
    plan: PlanKey | None = None
    group: GroupKey = GroupKey()
    inhibit: list[InhibitKey] = []
    status: Literal["live", "trial", "draft"] = "draft"
    scene: SceneKey = SceneKey()


@dataclass(frozen=True, slots=True)
class Watched:
    """One property that a pack watches on assets of some kinds, and by which detector."""

    pack: str
    property: str
    kinds: tuple[str, ...]
    unit: str
    low: float
    high: float
    cadence_s: float
    detector: Detector
    checks: Checks | None = None  # the faults of sensors that are looked for


@dataclass(frozen=True, slots=True)
class Pack:
    """A loaded scenario."""

    name: str
    title: Text
    owner: Text
    domain: str
    status: str
    watched: tuple[Watched, ...]
    zones: dict[str, Detector]  # what judges the zone sums of each property
    rules: tuple[Rule, ...]
    plan: Declared | None = None  # the response plan, checked against the city where it is used (config/plans.py)
    grouping: Grouping = Grouping()  # noqa: RUF009  # a value
    inhibitions: tuple[Inhibition, ...] = ()
    demands: tuple[tuple[str, Demands], ...] = ()  # of the rules that demand more than an acknowledgement
    scene: Scene | None = None  # its page on the wall; None where a pack is made without a file


def load(folder: Path) -> Pack:
    """The pack in ``folder``; raises ``PackError`` naming file, key, value and remedy."""
    where = f"{folder.name}/pack.yaml"
    try:
        declared = msgspec.convert(_read(folder), _Pack)
    except msgspec.ValidationError as error:
        raise PackError(f"{where}: {_readable(str(error))}") from error
    if declared.pack != folder.name:
        raise PackError(f"{where}: pack: {declared.pack!r} is not the folder's name; write pack: {folder.name}")
    _each_once([stream.property for stream in declared.datastreams], f"{where}: datastreams: the property")
    _each_once([zone.property for zone in declared.zones], f"{where}: zones: the property")
    _each_once([rule.alert for rule in declared.rules], f"{where}: rules: the alert")
    watched = tuple(_watched(declared, i, where) for i in range(len(declared.datastreams)))
    known = {w.property for w in watched}
    zones = {}
    for i, zone in enumerate(declared.zones):
        _property(zone.property, known, f"{where}: zones[{i}]")
        zones[zone.property] = _detector(zone.detector, zone.parameters, f"{where}: zones[{i}]")
    rules = tuple(_rule(declared, i, known, set(zones), where) for i in range(len(declared.rules)))
    plan = _plan(declared, folder)
    return Pack(
        name=declared.pack,
        title=declared.title,
        owner=declared.owner,
        domain=declared.domain,
        status=declared.status,
        watched=watched,
        zones=zones,
        rules=rules,
        plan=plan,
        grouping=_grouping(declared, where),
        inhibitions=_inhibitions(declared, where),
        demands=_demands(declared),
        scene=_scene(declared, [w.property for w in watched], zones, rules, where),
    )


def _scene(
    declared: _Pack, properties: list[str], summed: dict[str, Detector], rules: tuple[Rule, ...], where: str
) -> Scene:
    try:
        return scene_of(declared.scene, declared.pack, declared.title, properties, list(summed), rules)
    except SceneError as error:
        raise PackError(f"{where}: {error}") from error


def _grouping(declared: _Pack, where: str) -> Grouping:
    try:
        return alarm_keys.grouping(declared.group, milliseconds(declared.group.window))
    except ValueError as error:
        raise PackError(f"{where}: group.window: {error}") from error


def _inhibitions(declared: _Pack, where: str) -> tuple[Inhibition, ...]:
    try:
        return tuple(
            alarm_keys.inhibition(key, declared.pack, f"{where}: inhibit[{number}]")
            for number, key in enumerate(declared.inhibit)
        )
    except AlarmKeyError as error:
        raise PackError(str(error)) from error


def _demands(declared: _Pack) -> tuple[tuple[str, Demands], ...]:
    """What each rule demands of its alerts, for those that demand anything."""
    demands = {rule.alert: Demands(rule.latch, rule.confirm, milliseconds(rule.realarm)) for rule in declared.rules}
    return tuple((name, one) for name, one in demands.items() if one != Demands())


def _plan(declared: _Pack, folder: Path) -> Declared | None:
    """The pack's plan as declared; its table is checked where it is used, and by `citybrain packs check`."""
    key = declared.plan
    if key is None:
        return None
    return Declared(
        plan=declared.pack,
        pack=declared.pack,
        path=folder / key.table,
        reads=tuple(key.reads),
        calm_ms=milliseconds(key.calm),
        margin=key.margin,
    )


def load_all(folder: Path = FOLDER) -> tuple[Pack, ...]:
    """All packs below ``folder`` that are not drafts, by name; raises ``PackError`` for the first broken one.

    A draft may be as broken as it likes: it stops nobody.
    """
    packs = [load(path.parent) for path in sorted(folder.glob("*/pack.yaml")) if not _draft(path.parent)]
    owner: dict[tuple[str, str], str] = {}
    for pack in packs:
        at = f"{pack.name}/pack.yaml"
        for watched in pack.watched:
            for kind in watched.kinds:
                _own(
                    owner,
                    (kind, watched.property),
                    pack.name,
                    f"{at}: datastreams: {kind}/{watched.property} is watched",
                )
        for name in pack.zones:
            _own(owner, ("", name), pack.name, f"{at}: zones: {name} is summed")
    _check_alarms(packs)
    return tuple(packs)


def _check_alarms(packs: list[Pack]) -> None:
    """What the packs say of each other's alerts must be there."""
    rules = {pack.name: {rule.name for rule in pack.rules} for pack in packs}
    try:
        alarm_keys.check_names(
            rules, {pack.name: pack.grouping for pack in packs}, {pack.name: pack.inhibitions for pack in packs}
        )
    except AlarmKeyError as error:
        raise PackError(str(error)) from error


def _read(folder: Path) -> Any:
    """What stands in the pack's file, as plain values."""
    where = f"{folder.name}/pack.yaml"
    try:
        return yaml.load((folder / "pack.yaml").read_text("utf-8"), _Once)  # noqa: S506  # a SafeLoader
    except FileNotFoundError:
        raise PackError(f"{where}: no such file; a pack is a folder with a pack.yaml") from None
    except UnicodeDecodeError as error:
        raise PackError(f"{where}: not UTF-8 text ({error}); save it as UTF-8") from error
    except yaml.YAMLError as error:
        raise PackError(f"{where}: not YAML: {error}") from error


def _draft(folder: Path) -> bool:
    """Does the pack's file, as far as it can be read, say that it is a draft, or nothing?"""
    try:
        raw = _read(folder)
    except PackError:
        return False
    return isinstance(raw, dict) and raw.get("status", "draft") == "draft"


def _each_once(names: list[str], what: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise PackError(f"{what} {name!r} is declared {names.count(name)} times; make them one or rename one")


def _own(owner: dict[tuple[str, str], str], key: tuple[str, str], pack: str, what: str) -> None:
    other = owner.setdefault(key, pack)
    if other != pack:
        raise PackError(f"{what} by {other} already; take it out of one of the two")


def _readable(message: str) -> str:
    """msgspec's message with the path first: ``rules[2].expr: …``."""
    text, _, path = message.partition(" - at `$")
    return f"{path.rstrip('`').lstrip('.')}: {text}" if path else text


def _property(name: str, known: set[str], where: str) -> None:
    if name not in known:
        raise PackError(f"{where}.property: {name!r} is not one of the pack's datastreams; use one of {sorted(known)}")


def _detector(name: str, parameters: dict[str, Any], where: str) -> Detector:
    try:
        return get(name, parameters)
    except BadParameter as error:
        raise PackError(f"{where}.detector: {error}") from error
    except TypeError as error:  # compared as a number, and is none
        raise PackError(f"{where}.parameters: {parameters} of {name} are not all of their types: {error}") from error


def _watched(declared: _Pack, number: int, where: str) -> Watched:
    at = f"{where}: datastreams[{number}]"
    stream = declared.datastreams[number]
    low, high = stream.range
    cadence_s = milliseconds(stream.cadence) / 1_000
    if not cadence_s > 0:
        raise PackError(
            f"{at}.cadence: {stream.cadence} is no time between readings; write how often they come, as in 5s"
        )
    if not low < high:
        raise PackError(f"{at}.range: {low:g} is not below {high:g}; write [low, high]")
    detector = _detector(stream.detector, stream.parameters, at)
    try:
        found = declared_checks(stream.quality, round(cadence_s * 1_000), bool(getattr(detector, "counts", False)))
    except (BadParameter, TypeError) as error:
        raise PackError(f"{at}.quality: {error}") from error
    return Watched(
        declared.pack, stream.property, tuple(stream.kinds), stream.unit, low, high, cadence_s, detector, found
    )


def _clear(rule: _Rule, at: str) -> str:
    """The expression that ends the alert: as written, by the deadband, or that ``expr`` does not hold."""
    if rule.deadband is None:
        return rule.clear or f"NOT ({rule.expr})"
    if rule.clear:
        raise PackError(f"{at}: clear and deadband say the same thing; keep one")
    try:
        return alarm_keys.clear_of(rule.expr, rule.deadband)
    except AlarmKeyError as error:
        raise PackError(f"{at}.{error}") from error


def _rule(declared: _Pack, number: int, known: set[str], zones: set[str], where: str) -> Rule:
    at = f"{where}: rules[{number}]"
    rule = declared.rules[number]
    _property(rule.property, known, at)
    if rule.reads == "zones" and rule.property not in zones:
        raise PackError(f"{at}.property: {rule.property!r} is not summed over zones; add it to zones: in this file")
    try:
        made = Rule(
            pack=declared.pack,
            name=rule.alert,
            reads=rule.reads,
            property=rule.property,
            expr=rule.expr,
            clear=_clear(rule, at),
            severity=rule.severity,
            headline=rule.headline,
            for_ms=milliseconds(rule.for_),
            clear_for_ms=milliseconds(rule.clear_for),
            watch=rule.watch,
            kind=rule.kind,
            labels=rule.labels,
            line=next(iter(rule.line.values())) if rule.line else None,
            line_of=next(iter(rule.line)) if rule.line else "value",
        )
        single = rule.reads == "datastreams" and rule.kind == "event"
        made = replace(made, budgeted=single and (made.is_scored() if rule.budget is None else rule.budget))
    except RuleError as error:
        raise PackError(f"{at}.{error}") from error
    try:
        headline(rule.headline, rule.headline, {"value": 1.0, "expected": 1.0, "occupancy": 1.0}, "m")
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise PackError(
            f"{at}.headline: cannot fill in {error}; braces may hold {', '.join(HEADLINE_WORDS)}"
        ) from error
    return made
