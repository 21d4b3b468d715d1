"""Drills as packs declare them: ``config/packs/<pack>/drills/<name>.yaml`` (docs/drills.md).

A drill is a timetable of injections and of what is expected to come of them. It is loaded whole or not at all; a
mistake is refused with the file, the key, the value and what to write instead.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args
from zoneinfo import ZoneInfo

import msgspec
import yaml
from rapidfuzz import process

from config import pack as packs
from config import packs_reload
from config.city import City, CityError
from config.city import load as load_city
from config.pack import Pack, milliseconds
from config.units import of_city
from models.gateways import PACK as GATEWAYS
from models.gateways import Fault as GatewayFault
from models.nearest import hint, nearest
from models.soundness import KINDS as SENSOR_FAULTS
from models.values import Severity, Text

FOLDER = "drills"
NEAR_M = 500.0  # an alert so near to an asset is at it
LONGEST_MS = 4 * 3_600_000
Above = Annotated[float, msgspec.Meta(gt=0)]


class DrillError(ValueError):
    """A drill cannot be loaded or run; the message names the file, the key, the value and the remedy."""


class _Injection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="what"):
    name: str
    at: str
    lasts: str = ""


class Surge(_Injection, frozen=True, tag="surge"):
    """People at a place times ``factor``, growing for ``ramp``."""

    place: str
    factor: Above = 3.5
    radius_m: Above = 600.0
    ramp: str = "10s"
    usual: ClassVar[str] = "4m"


class StuckSensors(_Injection, frozen=True, tag="stuck-sensors"):
    """Everything at a place repeats what it said."""

    place: str
    radius_m: Above = 300.0
    usual: ClassVar[str] = "6m"


class GatewaySilent(_Injection, frozen=True, tag="gateway-silent"):
    """Everything behind one gateway, numbered from 1, says nothing."""

    gateway: Annotated[int, msgspec.Meta(ge=1)]
    usual: ClassVar[str] = "150s"


class PondRising(_Injection, frozen=True, tag="pond-rising"):
    """A cloudburst, and so many metres of water in the underpasses around."""

    place: str
    metres: Above = 0.45
    radius_m: Above = 900.0
    ramp: str = "150s"
    usual: ClassVar[str] = "15m"


class Change(_Injection, frozen=True, tag="change"):
    """Readings of a property ``to`` a value, ``plus`` or ``times`` one; ``base`` where the simulator has none."""

    property: str
    place: str
    radius_m: Above = 300.0
    kinds: tuple[str, ...] = ()
    to: float | None = None
    plus: float | None = None
    times: float | None = None
    base: float | None = None
    ramp: str = "0s"
    usual: ClassVar[str] = "10m"


class CapWarning(_Injection, frozen=True, tag="warning"):
    """A CAP warning of status Exercise for some zones."""

    event: Text
    headline: Text
    severity: Severity
    areas: tuple[str, ...]
    colour: Literal["", "blue", "yellow", "orange", "red"] = ""
    instruction: Text = Text(en="", zh="")
    usual: ClassVar[str] = "2h"


class AppealsBurst(_Injection, frozen=True, tag="appeals-burst"):
    """So many citizens' appeals of one code around a place, spread over the time it lasts."""

    place: str
    code: str
    count: Annotated[int, msgspec.Meta(ge=1, le=5_000)]
    radius_m: Above = 400.0
    text: Text = Text(en="Drill", zh="演练")
    usual: ClassVar[str] = "5m"


class UnitBreakdown(_Injection, frozen=True, tag="unit-breakdown"):
    """A unit can do nothing more: the named one, or of a kind the nearest to the drill's incident."""

    unit: str = ""
    kind: str = ""
    usual: ClassVar[str] = "10m"


Injection = Surge | StuckSensors | GatewaySilent | PondRising | Change | CapWarning | AppealsBurst | UnitBreakdown
KINDS: dict[str, type[Injection]] = {
    str(kind.__struct_config__.tag): kind
    for kind in (Surge, StuckSensors, GatewaySilent, PondRising, Change, CapWarning, AppealsBurst, UnitBreakdown)
}


class Expectation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is to come within a time of an injection or of another expectation; one of the last five keys says what."""

    after: str
    within: str
    name: str = ""
    points: Above = 1.0
    alert: str = ""  # <pack>/<rule>
    place: str = ""  # where the alert is
    acknowledged: bool = False
    plan: Literal["", "proposed", "launched"] = ""
    unit: Literal["", "on-scene"] = ""
    told: Annotated[int, msgspec.Meta(ge=0)] = 0  # places that a warning reached

    @property
    def what(self) -> str:
        """Which of the five it is; empty when none or several are given."""
        given = [key for key in WHAT if getattr(self, key)]
        return given[0] if len(given) == 1 else ""

    @property
    def within_ms(self) -> int:
        """The time it has."""
        return milliseconds(self.within)


WHAT = ("alert", "acknowledged", "plan", "unit", "told")
AT_SPEED = ("alert", "told")  # what is graded when nobody is there


class FalseAlerts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many alerts that nothing injected explains the drill bears."""

    at_most: Annotated[int, msgspec.Meta(ge=0)]
    points: Above = 1.0


class Drill(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"pass_": "pass"}):
    """A drill as written; times are durations since its begin."""

    drill: str
    title: Text
    city: str
    lasts: str
    expect: tuple[Expectation, ...]
    objective: Text = Text(en="", zh="")
    begins: str = ""  # local time of a run at speed
    pass_: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.8
    inject: tuple[Injection, ...] = ()
    false_alerts: FalseAlerts | None = None

    @property
    def lasts_ms(self) -> int:
        """How long it takes."""
        return milliseconds(self.lasts)


def start_ms(injection: Injection) -> int:
    """When the injection begins, ms since the drill's begin."""
    return milliseconds(injection.at)


def span_ms(injection: Injection) -> int:
    """How long it lasts, ms."""
    return milliseconds(injection.lasts or injection.usual)


@dataclass(frozen=True, slots=True)
class Listed:
    """Where a drill lies: its name, pack and file."""

    name: str
    pack: str
    path: Path


def listed(folder: Path | None = None) -> list[Listed]:
    """The drills of all packs, by name."""
    files = (folder or packs.FOLDER).glob(f"*/{FOLDER}/*.yaml")
    return sorted((Listed(path.stem, path.parent.parent.name, path) for path in files), key=lambda one: one.name)


def find(name: str, folder: Path | None = None) -> Listed:
    """The drill ``name``, ``<pack>/<name>`` where two packs have it, or a file of one's own below a folder named like
    its pack; raises ``DrillError``."""
    if name.endswith(".yaml"):
        path = Path(name).resolve()
        return Listed(path.stem, path.parent.parent.name, path)
    there = listed(folder)
    fits = [one for one in there if name in (one.name, f"{one.pack}/{one.name}")]
    if len(fits) == 1:
        return fits[0]
    if fits:
        raise DrillError(f"{name} is a drill of {' and '.join(sorted(one.pack for one in fits))}; say PACK/{name}")
    known = ", ".join(one.name for one in there) or "none"
    raise DrillError(f"there is no drill {name!r}; there are: {known} (config/packs/<pack>/drills/)")


def load(
    path: Path,
    city: City | None = None,
    loaded: Sequence[Pack] | None = None,
    load_city: Callable[[str], City] = load_city,
) -> Drill:
    """The drill in ``path``, checked against its city and the packs; raises ``DrillError``.

    ``city`` takes the place of the one it names, ``loaded`` of the packs as they are, ``load_city`` of what loads one.
    """
    drill = _decoded(path, _read(path))
    if drill.drill != path.stem:
        raise DrillError(f"{path}: drill: {drill.drill!r} is not the file's name; write drill: {path.stem}")
    pack_name = path.parent.parent.name
    known = packs_reload.sound() if loaded is None else loaded
    if pack_name not in {one.name for one in known}:
        raise DrillError(f"{path}: the pack {pack_name!r} is not in force; there are: {_names(p.name for p in known)}")
    try:
        where = load_city(drill.city) if city is None else city
    except CityError as error:
        raise DrillError(f"{path}: city: {error}") from error
    _check_times(path, drill, where)
    _check_injections(path, drill, where)
    _check_expectations(path, drill, where, known)
    return drill


def place(city: City, name: str) -> tuple[float, float] | None:
    """Middle (lon, lat) of a zone of the city; None where it is none."""
    row = city.index.get(name)
    return None if row is None else (city.zones[row].lon, city.zones[row].lat)


def begin_ms(drill: Drill, timezone: str) -> int | None:
    """``begins`` in ms since 1970; None where it is left out."""
    if not drill.begins:
        return None
    return int(dt.datetime.fromisoformat(drill.begins).replace(tzinfo=ZoneInfo(timezone)).timestamp() * 1000)


# --- reading -------------------------------------------------------------------------------------------------------


def _read(path: Path) -> dict[str, Any]:
    try:
        body = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise DrillError(f"{path}: there is no such file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DrillError(f"{path}: no YAML: {error}") from error
    if not isinstance(body, dict):
        raise DrillError(f"{path}: is no mapping; begin with drill: {path.stem}")
    return body


def _decoded(path: Path, body: Mapping[str, Any]) -> Drill:
    """The parts one by one, so that a message names the one it is about."""
    injections = [
        _one(path, f"inject[{n}]", one, _kind(path, n, one)) for n, one in enumerate(_list(path, body, "inject"))
    ]
    expected = [_one(path, f"expect[{n}]", one, Expectation) for n, one in enumerate(_list(path, body, "expect"))]
    whole = _one(path, "", {**body, "inject": [], "expect": []}, Drill)
    drill: Drill = msgspec.structs.replace(whole, inject=tuple(injections), expect=tuple(expected))
    return drill


def _list(path: Path, body: Mapping[str, Any], key: str) -> list[Any]:
    found = body.get(key)
    if not isinstance(found, list) or not found:
        raise DrillError(f"{path}: {key}: {found!r} is no list with at least one entry; see docs/drills.md")
    return found


def _kind(path: Path, number: int, one: Any) -> type[Any]:
    what = one.get("what") if isinstance(one, dict) else None
    if what not in KINDS:
        raise DrillError(f"{path}: inject[{number}].what: {what!r} is nothing to inject; use one of {', '.join(KINDS)}")
    return KINDS[what]


def _one(path: Path, key: str, given: Any, kind: type[Any]) -> Any:
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        what, _, at = str(error).partition(" - at `$")
        inner = at.rstrip("`").lstrip(".")
        where = ".".join(part for part in (key, inner) if part)
        value = given.get(inner, "") if isinstance(given, dict) else given
        said = f" {value!r}:" if value != "" else ""
        raise DrillError(f"{path}: {where + ':' if where else ''}{said} {what}; see docs/drills.md") from error


# --- checking ------------------------------------------------------------------------------------------------------


def _check_times(path: Path, drill: Drill, city: City) -> None:
    lasts = _duration(path, "lasts", drill.lasts)
    if not 0 < lasts <= LONGEST_MS:
        raise DrillError(f"{path}: lasts: {drill.lasts} is not between 1s and {LONGEST_MS // 3_600_000}h")
    for number, one in enumerate(drill.inject):
        key = f"inject[{number}]"
        at = _duration(path, f"{key}.at", one.at)
        if at >= lasts:
            raise DrillError(f"{path}: {key}.at: {one.at} is not before the drill's end; lasts is {drill.lasts}")
        if one.lasts and not _duration(path, f"{key}.lasts", one.lasts):
            raise DrillError(f"{path}: {key}.lasts: {one.lasts} is nothing; leave it out for {one.usual}")
        if isinstance(one, Surge | PondRising | Change):
            _duration(path, f"{key}.ramp", one.ramp)
    for number, expected in enumerate(drill.expect):
        if not _duration(path, f"expect[{number}].within", expected.within):
            raise DrillError(f"{path}: expect[{number}].within: {expected.within} leaves no time; write 60s or more")
    try:
        begin_ms(drill, city.timezone)
    except ValueError as error:
        raise DrillError(
            f'{path}: begins: {drill.begins!r} is no local time; write it as "2026-10-02T18:00"'
        ) from error


def _duration(path: Path, key: str, text: str) -> int:
    try:
        return milliseconds(text)
    except ValueError as error:
        raise DrillError(f"{path}: {key}: {error}") from error


def _check_injections(path: Path, drill: Drill, city: City) -> None:
    names = [one.name for one in drill.inject] + [one.name for one in drill.expect if one.name]
    for name in names:
        if names.count(name) > 1:
            raise DrillError(f"{path}: the name {name!r} is given {names.count(name)} times; give each its own")
    for number, one in enumerate(drill.inject):
        key = f"inject[{number}]"
        where = getattr(one, "place", None)
        if where is not None:
            _check_place(path, f"{key}.place", where, city)
        match one:
            case CapWarning():
                for zone in one.areas or ("",):
                    _check_zone(path, f"{key}.areas", zone, city)
            case Change() if sum(value is not None for value in (one.to, one.plus, one.times)) != 1:
                raise DrillError(f"{path}: {key}: a change has exactly one of to, plus and times")
            case UnitBreakdown():
                _check_unit(path, key, one, city)


def _check_place(path: Path, key: str, name: str, city: City) -> None:
    """A zone, or the id of an asset as assets are named (``cam-000123``); whether that is there the run tells."""
    if name in city.index or _asset(name, city):
        return
    raise DrillError(f"{path}: {key}: {city.id} has no zone {name!r}; {_nearest(name, city)}")


def _check_zone(path: Path, key: str, name: str, city: City) -> None:
    if name not in city.index:
        raise DrillError(f"{path}: {key}: {city.id} has no zone {name!r}; {_nearest(name, city)}")


def _asset(name: str, city: City) -> bool:
    if city.asset_file is not None:
        return name in set(city.assets()["asset"])
    stem, _, number = name.rpartition("-")
    return bool(stem) and number.isdigit() and len(number) >= 4


def _nearest(name: str, city: City) -> str:
    """What may have been meant."""
    found = process.extract(name, [zone.id for zone in city.zones], limit=3)
    return f"did you mean {', '.join(str(one[0]) for one in found)}?" if found else "it has no zones"


def _check_unit(path: Path, key: str, one: UnitBreakdown, city: City) -> None:
    units = of_city(city)
    if bool(one.unit) == bool(one.kind):
        raise DrillError(f"{path}: {key}: a unit-breakdown has either unit or kind")
    if one.unit and one.unit not in units:
        raise DrillError(
            f"{path}: {key}.unit: {city.id} has no unit {one.unit!r}; they are named as {min(units, default='none')}"
        )
    kinds = {unit.kind for unit in units.values()}
    if one.kind and one.kind not in kinds:
        raise DrillError(f"{path}: {key}.kind: {city.id} has no units of kind {one.kind!r}; use {_names(kinds)}")


def _check_expectations(path: Path, drill: Drill, city: City, loaded: Sequence[Pack]) -> None:
    rules = {f"{pack.name}/{rule.name}" for pack in loaded for rule in pack.rules} | _others(loaded)
    known = {one.name: one for one in drill.inject}
    seen: dict[str, Expectation] = {}
    for number, one in enumerate(drill.expect):
        key = f"expect[{number}]"
        if not one.what:
            raise DrillError(f"{path}: {key}: say exactly one of {', '.join(WHAT)}")
        if one.after not in known and one.after not in seen:
            there = _names([*known, *seen])
            raise DrillError(
                f"{path}: {key}.after: {one.after!r} is no injection and nothing expected before; use {there}"
            )
        if one.alert and one.alert not in rules:
            raise DrillError(f"{path}: {key}.alert: there is no rule {one.alert!r}{_meant(one.alert, rules)}")
        if one.place:
            _check_place(path, f"{key}.place", one.place, city)
        if one.what in ("acknowledged", "plan", "unit") and _of_alert(one, seen) is None:
            raise DrillError(f"{path}: {key}.after: {one.after!r} leads to no alert; name the expectation of the alert")
        if one.told and not isinstance(known.get(one.after), CapWarning):
            raise DrillError(f"{path}: {key}.after: {one.after!r} is no warning, so nobody is told")
        if one.name:
            seen[one.name] = one


def _others(loaded: Sequence[Pack]) -> set[str]:
    """Alerts that no rule declares: the faults of sensors, of each pack that watches something."""
    faults = [kind.capitalize() for kind in SENSOR_FAULTS[1:]]
    found = {f"{pack.name}/{many}{fault}" for pack in loaded for many in ("Sensor", "Sensors") for fault in faults}
    return found | {f"{GATEWAYS}/Gateway{fault.capitalize()}" for fault in get_args(GatewayFault)}


def _of_alert(one: Expectation, seen: Mapping[str, Expectation]) -> Expectation | None:
    """The expectation of the alert at the end of the chain."""
    found: Expectation | None = one
    while found is not None and not found.alert:
        found = seen.get(found.after)
    return found


def chain(drill: Drill, one: Expectation) -> Expectation | None:
    """The alert's expectation that an expectation of people hangs on; None where there is none."""
    return _of_alert(one, {other.name: other for other in drill.expect if other.name})


def _meant(alert: str, rules: Iterable[str]) -> str:
    """What rule was probably meant: one of the same pack where it has any."""
    pack, _, name = alert.partition("/")
    own = [rule.partition("/")[2] for rule in sorted(rules) if rule.startswith(f"{pack}/")]
    said = nearest(name, own)
    return f'; did you mean "{pack}/{said}"?' if said else hint(name, [f"{pack}/{one}" for one in own] or sorted(rules))


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
