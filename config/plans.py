"""Response plans as a pack or a city declares them: JDM tables, checked when they are loaded.

A plan's file has a table ``stages`` and may have ``tasks``, ``units`` and ``release`` after it (docs/plans.md). What
is wrong is refused with file, table, row and column, and the table read before stays in force.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zen

from config import notifications
from config.city import City
from config.jdm import JdmError, grids
from config.pack import Pack
from config.plan_shape import ANYTHING, STANDING, Declared, Facts, checked
from models.plan_inputs import Inputs
from models.plans import HERE, lift_rule
from models.values import Proposal, Task, Text, UnitNeed

MINUTE_MS = 60_000


class PlanError(ValueError):
    """A plan cannot be used; the message names file, table, row and column, the value and the remedy."""


@dataclass(frozen=True, eq=False, slots=True)
class Plan:
    """A checked table: ``models.plans.Table`` on the JDM engine."""

    plan: str
    version: str  # changes with every byte of the file
    levels: Mapping[str, int]
    reads: tuple[str, ...]  # inputs that its columns read
    calm_ms: int
    margin: float
    decision: Any  # zen's, which has no public class to name

    def level(self, stage: str) -> int:
        """How grave a stage is; 0 for one that the table does not have."""
        return self.levels.get(stage, 0)

    def ask(self, inputs: Inputs, place: str, standing: Sequence[str], at: int) -> Proposal:
        """The table's answer; the tasks of a row count their minutes from ``at`` (ms)."""
        context = {name: inputs.get(name) for name in self.reads}
        try:
            answer = self.decision.evaluate(context | {STANDING: [{"measure": name} for name in standing]})["result"]
        except RuntimeError as error:
            raise PlanError(f"plan {self.plan} {self.version} cannot answer {context}: {error}") from error
        measures = tuple(answer.get("measures") or ())
        lifted = [(lift_rule(name), row) for name, row in zip(standing, answer.get("release") or (), strict=False)]
        lifted = [(rule, row) for rule, row in lifted if rule not in {lift_rule(name) for name in measures}]
        rows = [(f"tasks/{row['id']}", row) for row in answer.get("tasks") or ()]
        return Proposal(
            plan=self.plan,
            version=self.version,
            stage=answer["stage"],
            title=Text(**answer["title"]),
            inputs=context,
            tasks=tuple(_task(rule, row, at) for rule, row in (*rows, *lifted)),
            units=tuple(_need(row) for row in answer.get("units") or ()),
            zones_closed=tuple(place if zone == HERE else zone for zone in answer.get("close") or ()),
            measures=measures,
            notify=tuple(answer.get("notify") or ()),
            place=place,
            at=at,
        )


def _task(rule: str, row: Mapping[str, Any], at: int) -> Task:
    minutes = row.get("minutes")
    return Task(
        id=rule.replace("/", "-"),
        what=Text(**row["what"]),
        who=row["who"],
        deadline=None if minutes is None else at + round(minutes * MINUTE_MS),
        rule=rule,
    )


def _need(row: Mapping[str, Any]) -> UnitNeed:
    return UnitNeed(kind=row["kind"], count=int(row.get("count") or 1), skills=tuple(row.get("skills") or ()))


def load(declared: Declared, facts: Facts = ANYTHING) -> Plan:
    """The plan in ``declared.path``, checked; raises ``PlanError`` naming file, table, row and column."""
    try:
        data = declared.path.read_bytes()
    except OSError as error:
        raise PlanError(
            f"{_file(declared.path)}: cannot be read: {error}; the plan {declared.plan} names it"
        ) from error
    return parse(data, declared, facts)


def parse(data: bytes, declared: Declared, facts: Facts = ANYTHING) -> Plan:
    """As ``load``, from the file's bytes."""
    try:
        tables = grids(data, _file(declared.path))
        levels = checked(tables, _file(declared.path), declared.reads, facts)
        decision = _decision(data, _file(declared.path))
    except JdmError as error:
        raise PlanError(str(error)) from error
    read = dict.fromkeys(c.reads for name, grid in tables.items() if name != "release" for c in grid.inputs)
    return Plan(
        plan=declared.plan,
        version=hashlib.blake2b(data, digest_size=4).hexdigest(),
        levels=levels,
        reads=tuple(read),
        calm_ms=declared.calm_ms,
        margin=declared.margin,
        decision=decision,
    )


def _file(path: Path) -> str:
    """The file as a message names it: with its folder."""
    return f"{path.parent.name}/{path.name}"


def _decision(data: bytes, file: str) -> Any:
    """The engine's decision, in which every row of ``tasks`` tells its id."""
    model = json.loads(data)
    for node in model["nodes"]:
        if node.get("name") == "tasks" and node["type"] == "decisionTableNode":
            content = node["content"]
            content["outputs"] = [*content["outputs"], {"id": "task id", "name": "id", "field": "id"}]
            content["rules"] = [rule | {"task id": json.dumps(rule["_id"])} for rule in content["rules"]]
    try:
        decision = zen.ZenEngine().create_decision(json.dumps(model))
        decision.validate()
    except RuntimeError as error:
        told = " ".join(str(error).partition("Stack backtrace")[0].split())
        raise JdmError(f"{file}: the decision engine refuses it: {told}; save it from a JDM editor") from error
    return decision


def facts(city: City, pack: Pack, routes: frozenset[str]) -> Facts:
    """What a plan of ``pack`` may name in ``city``; units are not checked in a city that has none."""
    return Facts(
        zones=frozenset(zone.id for zone in city.zones),
        kinds=frozenset(depot.kind for depot in city.depots) or None,
        skills=frozenset(skill for depot in city.depots for skill in depot.skills) or None,
        routes=routes,
        rules=frozenset(rule.name for rule in pack.rules),
    )


class Plans:
    """The plans of a city, read again when a file changes; one that is refused leaves the one before in force.

    ``keep`` is a folder for copies of what was accepted, so that the one before outlives the process.
    """

    def __init__(
        self, declared: Iterable[Declared], facts: Mapping[str, Facts] | Facts = ANYTHING, keep: Path | None = None
    ) -> None:
        """``facts`` for all packs, or by pack."""
        self._declared = tuple(declared)
        self._facts = facts
        self._keep = keep
        self._stamps: dict[str, tuple[int, int] | None] = {}
        self.loaded: dict[str, Plan] = {}
        self.refused: dict[str, str] = {}  # plan → why its file is not in force
        self.refresh()

    @classmethod
    def of_city(cls, city: City, packs: Iterable[Pack], keep: Path | None = None) -> Plans:
        """The plans of a city: its own, then its packs'. Raises ``DutyError`` when its routes cannot be read."""
        packs, routes = tuple(packs), frozenset(notifications.load(city.folder))
        declared = [*city.plans, *(pack.plan for pack in packs if pack.plan)]
        return cls(declared, {pack.name: facts(city, pack, routes) for pack in packs}, keep)

    def of(self, pack: str, place: str) -> Plan | None:
        """The plan for an incident of ``pack`` at ``place``: the first that names the place, else the first for all."""
        mine = [one for one in self._declared if one.pack == pack and one.plan in self.loaded]
        named = [one for one in mine if place in one.places] or [one for one in mine if not one.places]
        return self.loaded[named[0].plan] if named else None

    def refresh(self) -> list[str]:
        """Read what has changed on disk; a line for the log for each plan taken or refused."""
        return [self._take(one) for one in self._declared if self._changed(one)]

    def _changed(self, declared: Declared) -> bool:
        try:
            status = declared.path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
        except OSError:
            stamp = None
        known = self._stamps.get(declared.plan, ())
        self._stamps[declared.plan] = stamp
        return stamp != known

    def _take(self, declared: Declared) -> str:
        facts = self._facts if isinstance(self._facts, Facts) else self._facts.get(declared.pack, ANYTHING)
        try:
            plan = load(declared, facts)
        except PlanError as error:
            return self._refuse(declared, facts, str(error))
        self.loaded[declared.plan] = plan
        self.refused.pop(declared.plan, None)
        if self._keep is not None:
            self._keep.mkdir(parents=True, exist_ok=True)
            part = self._copy(declared).with_suffix(".part")
            part.write_bytes(declared.path.read_bytes())
            part.replace(self._copy(declared))
        return f"plan {declared.plan}: version {plan.version} is in force"

    def _copy(self, declared: Declared) -> Path:
        assert self._keep is not None
        return self._keep / f"{declared.plan}.json"

    def _refuse(self, declared: Declared, facts: Facts, why: str) -> str:
        self.refused[declared.plan] = why
        if declared.plan not in self.loaded and self._keep is not None and self._copy(declared).exists():
            try:
                self.loaded[declared.plan] = parse(self._copy(declared).read_bytes(), declared, facts)
            except PlanError as error:
                why += f" (what was in force before does not fit any more either: {error})"
        before = self.loaded.get(declared.plan)
        stays = f"version {before.version} stays in force" if before else "no version of it is in force"
        return f"plan {declared.plan} is refused: {why}; {stays}"
