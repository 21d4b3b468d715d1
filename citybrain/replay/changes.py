"""What is to be otherwise in a re-run: keys of rules and detectors, rules left out, a pack file, the alert budget.

Changes are written into the packs as their files declare them, which are then read as any pack is: whatever a pack's
file may not say, a re-run refuses in the same words.
"""

from __future__ import annotations

import copy
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

from citybrain.replay.refusal import Refused
from config import pack as packs
from config.layouts import layouts
from config.pack import Pack, PackError, Watched
from config.packs_reload import keep
from config.site import Site
from models.nearest import nearest
from models.rules import Rule

RULE_KEYS = ("expr", "clear", "for", "clear_for", "severity", "watch", "line", "deadband", "budget")
DETECTOR_KEYS = ("detector", "parameters", "quality")
WORDS = ("expr", "clear", "for", "clear_for", "severity", "detector")  # texts; other values are read as YAML
MOST_PER_HOUR = 1_000.0  # as of CITYBRAIN_ALERTS_PER_HOUR
Name = tuple[str, str]  # pack and rule, or pack and property


@dataclass(frozen=True, slots=True)
class Changes:
    """``sets``: value by ``pack.Rule.key`` or ``pack.property.key``, as a pack writes them; ``budget`` alerts an hour,
    None: as it was; ``without``: rules (``pack.Rule``) that are left out; ``pack``: a file in the place of a pack's."""

    sets: Mapping[str, str] = field(default_factory=dict)
    budget: float | None = None
    without: tuple[str, ...] = ()
    pack: Path | None = None

    def __post_init__(self) -> None:
        if self.budget is not None and not 0 <= self.budget <= MOST_PER_HOUR:
            raise Refused("budget", value=f"{self.budget:g}", least="0", most=f"{MOST_PER_HOUR:g}")


@dataclass(frozen=True, eq=False, slots=True)
class Otherwise:
    """The site as it is to be: ``touched`` are the rules (pack, name) that are otherwise, gone or new, ``detectors``
    the datastreams (pack, property) that are judged by another detector, ``zones`` the properties whose sums are."""

    site: Site
    touched: frozenset[Name]
    detectors: frozenset[Name]
    zones: frozenset[str]


def parsed(
    lines: Sequence[str], budget: float | None, without: Sequence[str] = (), pack: Path | None = None
) -> Changes:
    """``pack.Rule.key=value`` lines as changes; raises ``Refused``."""
    sets = {}
    for line in lines:
        name, equals, value = line.partition("=")
        if not equals or name.count(".") < 2:
            raise Refused("line", value=line)
        sets[name.strip()] = value.strip()
    return Changes(sets, budget, tuple(without), pack)


def otherwise(site: Site, changes: Changes) -> Otherwise:
    """The site with the changes; raises ``Refused``."""
    documents: dict[str, Any] = {}
    known = {pack.name: pack for pack in site.packs}
    if changes.pack is not None:
        document = _document(changes.pack)
        if str(document.get("pack")) not in known:
            raise Refused("pack", value=str(document.get("pack")), known=", ".join(known) or "–")
        documents[str(document["pack"])] = document
    for name in (*changes.sets, *changes.without):
        pack = name.split(".", 1)[0]
        if pack not in known:
            raise Refused("no-pack", value=name, known=", ".join(known) or "–")
        if pack not in documents:
            documents[pack] = copy.deepcopy(packs.read(_folder(site, known[pack])))
    for name, value in changes.sets.items():
        pack, entry, key = name.split(".", 2)
        _set(documents[pack], name, entry, key, value)
    for name in changes.without:
        _leave_out(documents[name.split(".", 1)[0]], name)
    try:
        made = {name: packs.parse(one, packs.FOLDER / name) for name, one in documents.items()}
    except PackError as error:
        raise Refused("pack-file", error="; ".join(error.lines)) from error
    return _compared(site, made)


def _compared(site: Site, made: Mapping[str, Pack]) -> Otherwise:
    """What differs between the packs in force and those that are to be."""
    after = tuple(made.get(pack.name, pack) for pack in site.packs)
    if wrong := packs.contradictions(after):
        raise Refused("pack-file", error="; ".join(line for lines in wrong.values() for line in lines))
    touched, detectors, zones = set(), set(), set()
    for was, now in zip(site.packs, after, strict=True):
        if now is was:
            continue
        rules = [{rule.name: _said(rule) for rule in pack.rules} for pack in (was, now)]
        touched |= {(was.name, name) for name in {*rules[0], *rules[1]} if rules[0].get(name) != rules[1].get(name)}
        detectors |= _detectors(was, now)
        zones |= {name for name in {*was.zones, *now.zones} if was.zones.get(name) != now.zones.get(name)}
    new = Site(site.settings, site.city, site.register, after, layouts(site.city, site.register, after))
    return Otherwise(new, frozenset(touched), frozenset(detectors), frozenset(zones))


def _said(rule: Rule) -> tuple[Any, ...]:
    """What a rule says, to be compared: expressions as they are written."""
    return tuple(getattr(rule, one.name) for one in fields(rule) if one.name not in ("fires", "ends", "headline"))


def _detectors(was: Pack, now: Pack) -> set[Name]:
    """The properties that are judged by another detector; raises ``Refused`` where other readings would be needed."""
    before = {one.property: one for one in was.watched}
    found = set()
    for one in now.watched:
        old = before.get(one.property)
        if old is None or _measured(old) != _measured(one):
            raise Refused("watched", value=f"{now.name}.{one.property}")
        if (old.detector, old.checks) != (one.detector, one.checks):
            found.add((now.name, one.property))
    return found


def _measured(one: Watched) -> Any:
    """What decides which readings are taken at all."""
    return replace(one, detector=None, checks=None), one.checks is None  # type: ignore[arg-type]  # only compared


def _folder(site: Site, pack: Pack) -> Path:
    """Where the file lies that is in force: the pack's own, or the copy of the version before."""
    folders = (packs.FOLDER / pack.name, keep(site.settings) / pack.name)
    return next((one for one in folders if packs.version(one) == pack.version), folders[0])


def _document(path: Path) -> dict[str, Any]:
    """What stands in a pack file; a folder stands for its ``pack.yaml``."""
    file = path / packs.FILE if path.is_dir() else path
    try:
        with tempfile.TemporaryDirectory(prefix="citybrain-rerun-") as folder:
            shutil.copyfile(file, Path(folder) / packs.FILE)
            document = packs.read(Path(folder))
    except OSError as error:
        raise Refused("no-file", value=str(file), error=error.strerror or str(error)) from error
    except PackError as error:
        raise Refused("pack-file", error="; ".join(error.lines)) from error
    if not isinstance(document, dict):
        raise Refused("no-document", value=str(file))
    return document


def _set(document: Any, name: str, entry: str, key: str, value: str) -> None:
    """Write one value into a pack's document."""
    rules = {str(one["alert"]): one for one in document.get("rules", [])}
    watched = {str(one["property"]): one for one in document.get("datastreams", [])}
    found, keys = (rules.get(entry), RULE_KEYS) if entry in rules else (watched.get(entry), DETECTOR_KEYS)
    if found is None:
        raise _unknown(name.split(".", 1)[0], entry, [*rules, *watched])
    first, *deeper = key.split(".")
    if first not in keys or (deeper and first not in ("parameters", "quality", "line")) or len(deeper) > 1:
        raise Refused("key", key=key, name=name, known=", ".join(keys))
    given = value if first in WORDS else _read(name, value)
    if deeper:
        found[first] = {**(found.get(first) or {}), deeper[0]: given}
    else:
        found[first] = given
    if first == "deadband":
        found.pop("clear", None)  # the two exclude each other
    elif first == "clear":
        found.pop("deadband", None)


def _read(name: str, value: str) -> Any:
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise Refused("value", name=name, value=value) from error


def _leave_out(document: Any, name: str) -> None:
    """Take a rule out of a pack's document, and what the document says of it."""
    pack, _, rule = name.partition(".")
    names = [str(one["alert"]) for one in document.get("rules", [])]
    if rule not in names:
        raise _unknown(pack, rule, names)
    document["rules"] = [one for one in document["rules"] if one["alert"] != rule]
    for section in ("inhibit", "tests", "scene"):  # they may name the rule, and say nothing of what is detected
        document.pop(section, None)


def _unknown(pack: str, name: str, known: Sequence[str]) -> Refused:
    meant = nearest(name, known)
    if meant:
        return Refused("no-rule-meant", value=f"{pack}.{name}", meant=f"{pack}.{meant}")
    return Refused("no-rule", value=f"{pack}.{name}", known=", ".join(f"{pack}.{one}" for one in known) or "–")
