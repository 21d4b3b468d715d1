"""A pack's scene on the wall: the section ``scene`` of its ``pack.yaml``, and what a pack without one is given.

A scene shows figures, the stages that its datastreams are in, a table of places, trends, a map with layers, the pack's
alerts, units and runbook lines. Everything has a default; docs/wall.md lists every key.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal

import msgspec

from models.rules import Rule
from models.values import Severity, Text, UnitStatus

FIGURES, STEPS, ROWS, TRENDS, LINES = 8, 6, 24, 3, 8  # at most so many: what one screen can show
Of = Literal["sum", "mean", "max", "min", "count", "above"]
NOWHERE = "none"  # as ``heat``: no heat under the signs


class SceneError(ValueError):
    """A scene cannot be shown as declared; the message names key, value and remedy."""


class Figure(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One number, from exactly one source: ``property`` (with ``of``), ``alerts``, ``units`` or ``told``."""

    property: str = ""
    of: Of = "sum"  # over the datastreams that report; "above": how many are at ``line`` or over it
    line: float | None = None
    alerts: tuple[str, ...] = ()  # rules of the pack: how many of their alerts are open
    units: tuple[str, ...] = ()  # kinds: how many units are in one of ``status``
    status: tuple[UnitStatus, ...] = ()
    told: str = ""  # written by an agent (contract.figures)
    title: Text | None = None
    unit: str | None = None


class Step(msgspec.Struct, forbid_unknown_fields=True, frozen=True, rename={"start": "from"}):
    """One stage: from this value on, up to the next one."""

    start: float
    title: Text
    severity: Severity | None = None  # its colour; none: grey


class Stages(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How many datastreams of a property are in which stage."""

    property: str
    steps: Annotated[tuple[Step, ...], msgspec.Meta(min_length=1, max_length=STEPS)]


class Table(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Places by how far they depart: zones of ``kinds``, or rows an agent wrote (``told``, contract.tables)."""

    property: str = ""
    kinds: tuple[str, ...] = ()  # of zones; none: all
    told: str = ""
    title: Text | None = None
    rows: Annotated[int, msgspec.Meta(ge=1, le=ROWS)] = 12


class SceneKey(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The section ``scene`` as written; what is left out is filled in by ``scene``."""

    title: Text | None = None
    view: Literal["core", "whole"] = "core"
    heat: str = ""  # the property whose heat is drawn; "none": no heat; "": all of the pack's
    zones: tuple[str, ...] = ()  # kinds of zones whose borders are drawn
    units: tuple[str, ...] = ()  # kinds of units that are drawn and listed
    figures: Annotated[tuple[Figure, ...], msgspec.Meta(max_length=FIGURES)] = ()
    stages: Stages | None = None
    table: Table | None = None
    trend: Annotated[tuple[str, ...], msgspec.Meta(max_length=TRENDS)] = ()
    runbook: Annotated[tuple[Text, ...], msgspec.Meta(max_length=LINES)] = ()


class Scene(msgspec.Struct, frozen=True):
    """A pack's scene, complete; ``heat`` names the properties whose heat is drawn."""

    pack: str
    title: Text
    view: str
    heat: tuple[str, ...]
    zones: tuple[str, ...]
    units: tuple[str, ...]
    figures: tuple[Figure, ...]
    stages: Stages | None
    table: Table
    trend: tuple[str, ...]
    runbook: tuple[Text, ...]


def scene(
    key: SceneKey, pack: str, title: Text, properties: Collection[str], summed: Collection[str], rules: Collection[Rule]
) -> Scene:
    """The scene of ``pack``, checked against its ``properties``, those ``summed`` over zones, and its ``rules``.

    Raises ``SceneError``.
    """
    _check(key, properties, summed, {rule.name for rule in rules})
    of = list(properties)
    heat = () if key.heat == NOWHERE else (key.heat,) if key.heat else tuple(of)
    return Scene(
        pack=pack,
        title=key.title or title,
        view=key.view,
        heat=heat,
        zones=key.zones,
        units=key.units,
        figures=key.figures or _usual(of, summed, rules),
        stages=key.stages,
        table=key.table or Table(property=next(iter(summed), "")),
        trend=key.trend or tuple(of[:TRENDS]),
        runbook=key.runbook,
    )


def _usual(properties: list[str], summed: Collection[str], rules: Collection[Rule]) -> tuple[Figure, ...]:
    """The figures of a pack that declares none: its totals or peaks, how many report, and its open alerts."""
    totals = tuple(Figure(property=name, of="sum" if name in summed else "max") for name in properties[:3])
    reporting = (Figure(property=properties[0], of="count"),) if properties else ()
    return totals + reporting + ((Figure(alerts=tuple(rule.name for rule in rules)),) if rules else ())


def _check(key: SceneKey, properties: Collection[str], summed: Collection[str], rules: Collection[str]) -> None:
    for number, figure in enumerate(key.figures):
        _check_figure(figure, properties, rules, f"scene.figures[{number}]")
    if key.heat and key.heat != NOWHERE:
        _known(key.heat, properties, "scene.heat")
    for number, name in enumerate(key.trend):
        _known(name, properties, f"scene.trend[{number}]")
    if key.stages is not None:
        _known(key.stages.property, properties, "scene.stages.property")
        starts = [step.start for step in key.stages.steps]
        if starts != sorted(set(starts)):
            raise SceneError(f"scene.stages.steps: from {starts} does not rise; write the lowest first, each once")
    if key.table is not None:
        _check_table(key.table, summed)


def _check_table(table: Table, summed: Collection[str]) -> None:
    if bool(table.property) == bool(table.told):
        raise SceneError("scene.table: it has to have property or told, one of the two")
    if table.property and table.property not in summed:
        raise SceneError(
            f"scene.table.property: {table.property!r} is not summed over zones; use one of {sorted(summed)}"
        )


def _check_figure(figure: Figure, properties: Collection[str], rules: Collection[str], at: str) -> None:
    given = [name for name in ("property", "alerts", "units", "told") if getattr(figure, name)]
    if len(given) != 1:
        raise SceneError(
            f"{at}: {' and '.join(given) or 'nothing'} is given; give one of property, alerts, units, told"
        )
    if figure.property:
        _known(figure.property, properties, f"{at}.property")
    if (figure.of == "above") != (figure.line is not None):
        raise SceneError(f"{at}: of: above and line belong together; give both or none")
    for name in figure.alerts:
        if name not in rules:
            raise SceneError(f"{at}.alerts: {name!r} is no rule of the pack; use one of {sorted(rules)}")
    if (figure.units or figure.told) and figure.title is None:
        raise SceneError(f"{at}.title: missing; say what is counted, in en and zh")


def _known(name: str, properties: Collection[str], at: str) -> None:
    if name not in properties:
        raise SceneError(f"{at}: {name!r} is not one of the pack's datastreams; use one of {sorted(properties)}")
