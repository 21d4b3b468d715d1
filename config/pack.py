"""Packs: one scenario each, declared in one folder ``config/packs/<pack>/``; loaded whole or not at all.

Every fault of a file is told at once, each with file, key, value and remedy (config/pack_faults.py). The shape of the
file is in config/pack_shape.py; packs that stay in force while files change are in config/packs_reload.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from config import alarm_keys, pack_rules, pack_simulate, pack_tests
from config.alarm_keys import AlarmKeyError
from config.event_detectors import KINDS as EVENT_DETECTORS
from config.pack_faults import Faults, converted, each_once
from config.pack_rules import Known
from config.pack_shape import DatastreamsKey, EventsKey, PackKey, PlanKey, RuleKey, ZonesKey
from config.pack_simulate import Simulated
from config.pack_tests import Test
from config.pack_words import Duration, Name, milliseconds
from config.plan_shape import Declared
from config.quality import declared as declared_checks
from config.scenes import Scene, SceneError
from config.scenes import scene as scene_of
from models.alarm import Demands
from models.detectors import BadParameter, Detector, get
from models.detectors import known as detectors
from models.grouping import Grouping
from models.nearest import hint
from models.pipeline import Inhibition
from models.rules import Rule
from models.soundness import Checks
from models.values import Text

__all__ = [
    "FOLDER", "Duration", "EventSource", "Name", "Pack", "PackError", "PlanKey", "Watched", "load", "load_all",
    "milliseconds",
]  # fmt: skip
FOLDER = Path(__file__).parent / "packs"
FILE = "pack.yaml"
LARGEST = 200_000  # bytes of the file
DEEPEST = 20  # levels of its content
T = TypeVar("T")


class PackError(ValueError):
    """A pack cannot be loaded; each line of the message is a fault and names file, key, value and remedy."""

    def __init__(self, lines: Sequence[str] | str) -> None:
        self.lines = (lines,) if isinstance(lines, str) else tuple(lines)
        super().__init__("\n".join(self.lines))


class _Once(yaml.SafeLoader):
    """YAML in which a key written twice is an error, for the first would be dropped in silence.

    It has no references to other parts of itself, and no pit of brackets: a short file could fill the memory with them.
    """

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """The next node; raises ``yaml.YAMLError`` for a reference, and where it lies too deep."""
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # its stub has no types
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "a reference (*name) is not needed; write it out", mark)
        if self._depth >= DEEPEST:
            raise yaml.composer.ComposerError(None, None, f"it lies {DEEPEST} levels deep; write it flatter", mark)
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping; raises ``yaml.YAMLError`` where a key occurs twice."""
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key} is written {keys.count(key)} times; keep one", node.start_mark
                )
        return super().construct_mapping(node, deep)


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
class EventSource:
    """One kind of events that a pack reads; ``detector`` (config/event_detectors.py) makes it of others, "" none."""

    kind: str
    means: Text
    detector: str
    parameters: Any  # an instance of the detector's struct; None without detector


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
    events: tuple[EventSource, ...] = ()
    false_positives: tuple[Text, ...] = ()
    tests: tuple[Test, ...] = ()
    simulated: Simulated = Simulated()  # noqa: RUF009  # a value
    version: str = ""  # changes with every byte of its file; empty where it is made without one


def load(folder: Path) -> Pack:
    """The pack in ``folder``; raises ``PackError`` naming file, key, value and remedy of everything that is wrong."""
    return parse(read(folder), folder, version(folder))


def version(folder: Path) -> str:
    """A version that changes with every byte of the pack's file; empty where it cannot be read."""
    try:
        return hashlib.blake2b((folder / FILE).read_bytes(), digest_size=4).hexdigest()
    except OSError:
        return ""


def parse(raw: Any, folder: Path, version: str = "") -> Pack:
    """The pack that ``raw``, the content of its file, declares; raises ``PackError``."""
    faults = Faults(f"{folder.name}/{FILE}")
    key = converted(raw, PackKey, faults)
    if not isinstance(raw, dict):
        raise PackError(faults.lines)
    loaded = _Parts(raw, folder, faults)
    if key is None or faults:
        raise PackError(faults.lines)
    return Pack(
        name=key.pack,
        title=key.title,
        owner=key.owner,
        domain=key.domain,
        status=key.status,
        watched=tuple(loaded.watched),
        zones=loaded.zones,
        rules=tuple(loaded.rules),
        plan=_plan(key, folder),
        grouping=alarm_keys.grouping(key.group, milliseconds(key.group.window)),
        inhibitions=tuple(loaded.inhibitions),
        demands=_demands(key),
        scene=loaded.scene,
        events=tuple(loaded.events),
        false_positives=tuple(key.false_positives),
        tests=tuple(loaded.tests),
        simulated=loaded.simulated,
        version=version,
    )


class _Parts:
    """What the sections of a file make, as far as each is sound; what is not is told to ``faults``."""

    def __init__(self, raw: Mapping[str, Any], folder: Path, faults: Faults) -> None:
        self.name = folder.name
        self.faults = faults
        self.raw = raw
        if isinstance(raw.get("pack"), str) and raw["pack"] != folder.name:
            faults.add("pack", f'"{raw["pack"]}" is not the folder\'s name; write pack: {folder.name}')
        for section, name in (
            ("datastreams", "property"),
            ("zones", "property"),
            ("rules", "alert"),
            ("events", "kind"),
        ):
            each_once(self._names(section, name), name, section, faults)
        watched = [self._watch(at, key) for at, key in self._of("datastreams", DatastreamsKey)]
        judged = {key.property: self._zone(at, key) for at, key in self._of("zones", ZonesKey)}
        self.watched = [one for one in watched if one is not None]
        self.zones = {name: one for name, one in judged.items() if one is not None}
        self.events = [self._event(at, key) for at, key in self._of("events", EventsKey)]
        self.rules = self._rules()
        self._sections()

    def _of(self, section: str, shape: type[T]) -> list[tuple[str, T]]:
        """The entries of a section that have their shape, each with its key, as in ``rules[2]``."""
        quiet = Faults("")
        entries = self.raw.get(section)
        made = [
            (f"{section}[{at}]", converted(one, shape, quiet))
            for at, one in enumerate(entries if isinstance(entries, list) else [])
        ]
        return [(at, one) for at, one in made if one is not None]

    def _names(self, section: str, name: str) -> list[str]:
        """The names in a section, also of entries that are broken elsewhere."""
        entries = self.raw.get(section)
        found = [one.get(name) for one in entries if isinstance(one, dict)] if isinstance(entries, list) else []
        return [one for one in found if isinstance(one, str)]

    def _watch(self, at: str, key: DatastreamsKey) -> Watched | None:
        low, high = key.range
        cadence_ms = milliseconds(key.cadence)
        if cadence_ms <= 0:
            self.faults.add(
                f"{at}.cadence", f"{key.cadence} is no time between readings; write how often they come, as in 5s"
            )
        if not low < high:
            self.faults.add(f"{at}.range", f"{low:g} is not below {high:g}; write [low, high]")
        detector = self._detector(key.detector, key.parameters, at)
        if detector is None or cadence_ms <= 0:
            return None
        try:
            checks = declared_checks(key.quality, cadence_ms, bool(getattr(detector, "counts", False)))
        except (BadParameter, TypeError) as error:
            self.faults.add(f"{at}.quality", f"{error}")
            return None
        kinds = tuple(key.kinds)
        return Watched(self.name, key.property, kinds, key.unit, low, high, cadence_ms / 1_000, detector, checks)

    def _detector(self, name: str, parameters: dict[str, Any], at: str) -> Detector | None:
        if name not in detectors():
            self.faults.add(f"{at}.detector", f'"{name}" is unknown{hint(name, detectors())}')
            return None
        try:
            return get(name, parameters)
        except BadParameter as error:
            self.faults.add(f"{at}.parameters", f"{error}")
        except TypeError as error:  # compared as a number, and is none
            self.faults.add(
                f"{at}.parameters", f"{parameters} of {name} are not all of their types: {error}; write numbers"
            )
        return None

    def _zone(self, at: str, key: ZonesKey) -> Detector | None:
        properties = self._names("datastreams", "property")
        if key.property not in properties:
            self.faults.add(f"{at}.property", f'"{key.property}" is not watched here{hint(key.property, properties)}')
        for number, kind in enumerate(key.kinds):
            if kind not in pack_rules.ZONES:
                self.faults.add(f"{at}.kinds[{number}]", f'"{kind}" is no kind of zone{hint(kind, pack_rules.ZONES)}')
        return self._detector(key.detector, key.parameters, at)

    def _event(self, at: str, key: EventsKey) -> EventSource:
        made: Any = None
        if key.detector and key.detector not in EVENT_DETECTORS:
            self.faults.add(f"{at}.detector", f'"{key.detector}" is unknown{hint(key.detector, EVENT_DETECTORS)}')
        elif key.detector:
            made = converted(key.parameters, EVENT_DETECTORS[key.detector], self.faults, f"{at}.parameters")
        elif key.parameters:
            self.faults.add(
                f"{at}.parameters", f"{key.parameters} are of no detector; name it with detector, or leave them out"
            )
        return EventSource(key.kind, key.means, key.detector, made)

    def _rules(self) -> list[Rule]:
        zones = {name: tuple(key.kinds) for _, key in self._of("zones", ZonesKey) for name in [key.property]}
        known = Known(
            self._names("datastreams", "property"),
            {name: zones.get(name, ()) for name in self._names("zones", "property")},
            self._names("events", "kind"),
        )
        made = [pack_rules.rule(key, self.name, at, known, self.faults) for at, key in self._of("rules", RuleKey)]
        return [one for one in made if one is not None]

    def _sections(self) -> None:
        """The sections that look at the others."""
        self.inhibitions: list[Inhibition] = []
        self.scene: Scene | None = None
        self.tests: list[Test] = []
        self.simulated = Simulated()
        properties, kinds = self._names("datastreams", "property"), {k for one in self.watched for k in one.kinds}
        key = converted(
            {**_LEAST, "pack": self.name, **{name: self.raw[name] for name in _LATER if name in self.raw}},
            PackKey,
            Faults(""),
        )
        if key is None:  # told already
            return
        for number, one in enumerate(key.inhibit):
            try:
                self.inhibitions.append(alarm_keys.inhibition(one, self.name, f"inhibit[{number}]"))
            except AlarmKeyError as error:
                self.faults.add("", str(error))
        pack_simulate.checked(key.simulate, kinds, properties, self.faults)
        self.simulated = Simulated(
            tuple(key.simulate.assets),
            tuple(
                pack_simulate.reading(one, self.name, of.kinds, (of.low, of.high))
                for one in key.simulate.readings
                for of in self.watched
                if of.property == one.property
            ),
        )
        names = self._names("rules", "alert")
        cadence = {one.property: round(one.cadence_s * 1_000) for one in self.watched}
        self.tests = pack_tests.tests(key.tests, names, properties, self._names("events", "kind"), cadence, self.faults)
        if self.faults:
            return  # a scene is of rules and properties, so it is judged when they are sound
        try:
            self.scene = scene_of(key.scene, self.name, _title(self.raw), properties, list(self.zones), self.rules)
        except SceneError as error:
            self.faults.add("", str(error))


_LATER = ("inhibit", "scene", "simulate", "tests")
_LEAST = {"title": {"en": "", "zh": ""}, "owner": {"en": "", "zh": ""}, "domain": "environment", "rules": []}


def _title(raw: Mapping[str, Any]) -> Text:
    title = raw.get("title")
    return Text(str(title.get("en")), str(title.get("zh"))) if isinstance(title, dict) else Text("", "")


def _demands(key: PackKey) -> tuple[tuple[str, Demands], ...]:
    """What each rule demands of its alerts, for those that demand anything."""
    demands = {rule.alert: Demands(rule.latch, rule.confirm, milliseconds(rule.realarm)) for rule in key.rules}
    return tuple((name, one) for name, one in demands.items() if one != Demands())


def _plan(key: PackKey, folder: Path) -> Declared | None:
    """The pack's plan as declared; its table is checked where it is used, and by `citybrain packs check`."""
    if key.plan is None:
        return None
    return Declared(
        plan=key.pack,
        pack=key.pack,
        path=folder / key.plan.table,
        reads=tuple(key.plan.reads),
        calm_ms=milliseconds(key.plan.calm),
        margin=key.plan.margin,
    )


def load_all(folder: Path = FOLDER) -> tuple[Pack, ...]:
    """All packs below ``folder`` that are not drafts, by name; raises ``PackError`` for the first broken one.

    A draft may be as broken as it likes: it stops nobody.
    """
    packs = [load(path.parent) for path in sorted(folder.glob(f"*/{FILE}")) if not is_draft(path.parent)]
    wrong = contradictions(packs)
    if wrong:
        raise PackError([line for lines in wrong.values() for line in lines])
    return tuple(packs)


def contradictions(packs: Iterable[Pack], absent: Iterable[str] = ()) -> dict[str, list[str]]:
    """What each pack says that does not go with those before it, by pack; nothing where all is well.

    ``absent`` are packs that there are but which are not in force: naming them does no harm.
    """
    packs = list(packs)
    wrong: dict[str, list[str]] = {}
    owner: dict[tuple[str, str], str] = {}
    for pack in packs:
        at = f"{pack.name}/{FILE}"
        claims = {
            (kind, one.property): f"{at}: datastreams[{number}]: {kind}/{one.property} is watched"
            for number, one in enumerate(pack.watched)
            for kind in one.kinds
        }
        claims |= {("", name): f"{at}: zones: {name} is summed" for name in pack.zones}
        lines = [
            f"{text} by {owner[claim]} already; take it out of one of the two"
            for claim, text in claims.items()
            if claim in owner
        ]
        if lines:
            wrong[pack.name] = lines
        else:
            owner |= dict.fromkeys(claims, pack.name)
    for name, lines in alarm_keys.unknown_names(
        {pack.name: {rule.name for rule in pack.rules} for pack in packs},
        {pack.name: pack.grouping for pack in packs},
        {pack.name: pack.inhibitions for pack in packs},
        frozenset(absent),
    ).items():
        wrong.setdefault(name, []).extend(lines)
    return wrong


def read(folder: Path) -> Any:
    """What stands in the pack's file, as plain values; raises ``PackError``."""
    where = f"{folder.name}/{FILE}"
    try:
        if (folder / FILE).stat().st_size > LARGEST:
            raise PackError(
                f"{where}: has {(folder / FILE).stat().st_size:,} bytes; at most {LARGEST:,}: split the pack"
            )
        return yaml.load((folder / FILE).read_text("utf-8"), _Once)  # noqa: S506  # a SafeLoader
    except (FileNotFoundError, NotADirectoryError):
        raise PackError(f"{where}: no such file; a pack is a folder with a pack.yaml") from None
    except UnicodeDecodeError as error:
        raise PackError(f"{where}: not UTF-8 text ({error}); save it as UTF-8") from error
    except PackError:
        raise
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # ValueError: a date that there is not
        raise PackError(f"{where}: not YAML: {' '.join(str(error).split())}; mend the line that it names") from error
    except OSError as error:
        raise PackError(f"{where}: cannot be read: {error}") from error


def is_draft(folder: Path) -> bool:
    """Does the pack's file, as far as it can be read, say that it is a draft, or nothing?"""
    try:
        raw = read(folder)
    except PackError:
        return False
    return isinstance(raw, dict) and raw.get("status", "draft") == "draft"
