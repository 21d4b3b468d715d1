"""Response plans (预案): when a table's answer is proposed for an incident, and what launching it changes.

A table answers a situation with a stage: its level, tasks, units, measures. The way up is quick: the moment the
situation crosses into a higher stage that stage is proposed. The way down is slow: a lower stage is proposed once the
table has answered with a lower one for ``calm_ms``, also with everything that makes danger raised by ``margin``, so
that a crowd that sways about a boundary does not move the police back and forth. A plan is only ever proposed;
people launch it, and every step stands in the incident's timeline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec
from msgspec.structs import replace

from models.orders import Refused
from models.plan_inputs import Inputs, raised
from models.values import Incident, Order, Proposal, Task, Text, Transition

HERE = "here"  # in a table's list of zones to close: the incident's own place
MEASURES: dict[str, Text] = {
    "one-way": Text("one-way flow of people", "人流单向通行"),
    "limit-entry": Text("entry limited", "限流进入"),
    "stop-entry": Text("entry stopped", "停止进入"),
    "close-road": Text("road closed to vehicles", "道路封闭"),
    "divert-traffic": Text("traffic diverted", "交通绕行"),
    "skip-stations": Text("metro passes the stations without stopping", "地铁甩站"),
    "broadcast": Text("announcements to the public", "广播提示"),
    "evacuate": Text("people led away", "疏散群众"),
    "suspend-work": Text("work on site suspended", "现场停工"),
}


class Table(Protocol):
    """A decision table that answers a situation with a stage (config/plans.py has the one of JDM)."""

    @property
    def plan(self) -> str:
        """The plan's name."""
        ...

    @property
    def calm_ms(self) -> int:
        """How long a lower stage must have held before it is proposed."""
        ...

    @property
    def margin(self) -> float:
        """By which share of themselves the inputs are raised when the way down is judged."""
        ...

    def level(self, stage: str) -> int:
        """How grave a stage is: 0 for none, and for a stage that the table does not have."""
        ...

    def ask(self, inputs: Inputs, place: str, standing: Sequence[str], at: int) -> Proposal:
        """The table's answer for ``inputs`` at ``place``; ``standing`` measures that it lifts come as tasks too."""
        ...


class InForce(msgspec.Struct, frozen=True):
    """A plan as the room shows it: the version in force (empty: none), and why the file on disk is refused."""

    plan: str
    version: str
    refused: str = ""


class Watch(msgspec.Struct, frozen=True):
    """What is remembered between two looks at an incident; lost with a worker, it costs one ``calm_ms``."""

    lower_since: int | None = None  # since when the table has answered with a lower stage than the one held
    declined: str = ""  # the stage that people did not want; proposed again once the situation has changed


@dataclass(frozen=True, slots=True)
class Changes:
    """What a plan does that the one before it did not."""

    tasks: tuple[Task, ...] = ()  # to be done anew
    dropped: tuple[Task, ...] = ()  # of the plan before, not wanted any more
    begun: tuple[str, ...] = ()  # measures
    lifted: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()  # zones
    opened: tuple[str, ...] = ()
    units: bool = False  # other units than before
    notify: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Is there anything to do?"""
        things = (self.tasks, self.begun, self.lifted, self.closed, self.opened, self.notify)
        return self.units or any(things)


def look(
    table: Table, incident: Incident, place: str, inputs: Inputs, watch: Watch, now: int
) -> tuple[Proposal | None, Watch]:
    """The proposal that the incident should carry at ``now`` (None: none) for its ``place``, and what to remember.

    It is the incident's own, the same object, while nothing new is to be proposed. What is not known any more never
    leads to a lower stage.
    """
    stood = in_force(table, incident)
    held = incident.proposal or stood
    asked = _ask(table, incident, place, inputs, now)
    if held is not None and table.level(asked.stage) < table.level(held.stage):
        if _blind(held, asked):
            return incident.proposal, replace(watch, lower_since=None)
        careful = _ask(table, incident, place, raised(inputs, table.margin), now)
        if table.level(careful.stage) >= table.level(held.stage):
            return incident.proposal, replace(watch, lower_since=None)
        since = now if watch.lower_since is None else watch.lower_since
        if now - since < table.calm_ms:
            return incident.proposal, replace(watch, lower_since=since)
        asked = replace(careful, inputs=asked.inputs)
    if watch.declined and watch.declined != asked.stage:
        watch = replace(watch, declined="")
    watch = replace(watch, lower_since=None)
    if watch.declined or not changes(stood, asked):
        return None, watch
    if incident.proposal is not None and not _differs(incident.proposal, asked):
        return incident.proposal, watch
    return asked, watch


def in_force(table: Table, incident: Incident) -> Proposal | None:
    """The incident's launched plan, when it is of this table."""
    return incident.plan if incident.plan is not None and incident.plan.plan == table.plan else None


def changes(before: Proposal | None, after: Proposal) -> Changes:
    """What launching ``after`` changes while ``before`` is in force."""
    old = before or Proposal(plan=after.plan, version="", stage="", title=after.title, inputs={})
    wanted = {task.rule for task in old.tasks}
    return Changes(
        tasks=tuple(task for task in after.tasks if task.rule not in wanted),
        dropped=tuple(task for task in old.tasks if _dropped(task, after)),
        begun=_without(after.measures, old.measures),
        lifted=_without(old.measures, after.measures),
        closed=_without(after.zones_closed, old.zones_closed),
        opened=_without(old.zones_closed, after.zones_closed),
        units=sorted(map(_need, after.units)) != sorted(map(_need, old.units)),
        notify=after.notify if after.stage != old.stage else (),
    )


def launch(incident: Incident, order: Order, now: int) -> tuple[Incident, Changes]:
    """The incident with its proposal in force, and what that changes: tasks are there, deadlines run from ``now``.

    The order may name the stage it was given for (args ``stage``): one that is proposed no more is refused.
    """
    proposal = incident.proposal
    if proposal is None:
        raise Refused(
            f"incident {incident.id} has no proposed plan to launch", "conflict", incident.state, incident.owner
        )
    meant = order.args.get("stage")
    if meant is not None and meant != proposal.stage:
        raise Refused(
            f"stage {meant} is proposed no more for incident {incident.id}; the proposal is now {proposal.stage}: "
            "look at it and launch that",
            "conflict",
            proposal.stage,
            incident.owner,
        )
    change = changes(incident.plan if incident.plan and incident.plan.plan == proposal.plan else None, proposal)
    tasks = (*_closed(incident.tasks, proposal, now), *_opened(incident, proposal, change, now))
    steps = [step(incident, now, "plan-launched", _launched(proposal), order)]
    steps += [step(incident, now, action, comment, order) for action, comment in _told(change)]
    after = replace(incident, plan=proposal, proposal=None, tasks=tasks, changed=now)
    return replace(after, timeline=(*incident.timeline, *steps)), change


def decline(incident: Incident, order: Order, now: int) -> Incident:
    """The incident without its proposal, with who did not want it and why."""
    if incident.proposal is None:
        raise Refused(
            f"incident {incident.id} has no proposed plan to decline", "conflict", incident.state, incident.owner
        )
    comment = f"{stage_name(incident.proposal)}: {order.comment}".rstrip(": ")
    told = step(incident, now, "plan-declined", comment, order)
    return replace(incident, proposal=None, changed=now, timeline=(*incident.timeline, told))


def _nothing(incident: Incident, what: str) -> Refused:
    message = f"incident {incident.id} has no proposed plan to {what}; a table proposes one when its inputs call for it"
    return Refused(message, "conflict", incident.state, incident.owner)


def propose(incident: Incident, proposal: Proposal | None, now: int) -> Incident:
    """The incident carrying ``proposal``, or none any more; the timeline says so, with what the table was asked."""
    before = incident.proposal
    if proposal is before:
        return incident
    if proposal is None:
        assert before is not None
        told = step(incident, now, "plan-withdrawn", stage_name(before))
    else:
        told = step(incident, now, "plan-proposed", f"{stage_name(proposal)} ({seen(proposal.inputs)})")
    return replace(incident, proposal=proposal, changed=now, timeline=(*incident.timeline, told))


def seen(inputs: Mapping[str, str | float | None]) -> str:
    """The inputs of a table as people read them: ``people 41,200, vehicles 1,350``; what is not known is left out."""
    told = []
    for name, value in inputs.items():
        if isinstance(value, str):
            told += [f"{name} {value}"] * bool(value)
        elif name == "hour" and value is not None:
            told.append(f"{int(value):02d}:{int(value * 60) % 60:02d}")
        elif value is not None:
            told.append(f"{name} {value:,.0f}" if abs(value) >= 100 else f"{name} {value:.3g}")
    return ", ".join(told)


def stage_name(proposal: Proposal) -> str:
    """The plan's title in both languages."""
    return f"{proposal.title.zh} / {proposal.title.en}"


def step(incident: Incident, now: int, action: str, comment: str, order: Order | None = None) -> Transition:
    """One line of the incident's timeline that leaves its state as it is."""
    by, command = (order.by, order.id) if order else ("", "")
    return Transition(
        at=now, was=incident.state, now=incident.state, action=action, by=by, comment=comment, command=command
    )


def _ask(table: Table, incident: Incident, place: str, inputs: Inputs, now: int) -> Proposal:
    stood = in_force(table, incident)
    here = {**inputs, "stage": stood.stage if stood else ""}
    return table.ask(here, place, stood.measures if stood else (), now)


def _blind(held: Proposal, asked: Proposal) -> bool:
    """Is something unknown now that was known when the higher stage was asked for? A dead gauge is no calm."""
    return any(value is not None and asked.inputs.get(name) is None for name, value in held.inputs.items())


def _differs(one: Proposal, other: Proposal) -> bool:
    """Would people see another plan? The inputs and the time of asking do not count."""
    return replace(one, inputs={}, at=0, tasks=_bare(one)) != replace(other, inputs={}, at=0, tasks=_bare(other))


def _bare(proposal: Proposal) -> tuple[Task, ...]:
    """The tasks with deadlines that count from the proposal."""
    return tuple(replace(t, deadline=t.deadline and t.deadline - proposal.at) for t in proposal.tasks)


def _need(need: object) -> tuple[object, ...]:
    return msgspec.structs.astuple(need)  # type: ignore[arg-type]  # a UnitNeed


def _without(some: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    return tuple(one for one in some if one not in others)


def lift_rule(measure: str) -> str:
    """The ``rule`` of the task that takes a measure back."""
    return f"release/{measure}"


def _dropped(task: Task, after: Proposal) -> bool:
    """Is the task not wanted any more? To take a measure back stays wanted until the measure is ordered again."""
    if task.rule.startswith("release/"):
        return task.rule in {lift_rule(measure) for measure in after.measures}
    return task.rule not in {wanted.rule for wanted in after.tasks}


def _closed(tasks: Sequence[Task], after: Proposal, now: int) -> list[Task]:
    """The incident's tasks; those of a plan that are still open and not wanted any more are skipped."""
    comment = f"not needed at: {stage_name(after)}"
    return [
        replace(task, state="skipped", at=now, comment=comment)
        if task.state == "open" and task.rule and _dropped(task, after)
        else task
        for task in tasks
    ]


def _opened(incident: Incident, after: Proposal, change: Changes, now: int) -> list[Task]:
    """The tasks that begin, each with an id of its own and a deadline that runs from ``now``."""
    taken = {task.id for task in incident.tasks}
    begun = []
    for task in change.tasks:
        name, number = task.id, 1
        while name in taken:
            number += 1
            name = f"{task.id}-{number}"
        taken.add(name)
        deadline = None if task.deadline is None else now + task.deadline - after.at
        begun.append(replace(task, id=name, deadline=deadline))
    return begun


def _launched(proposal: Proposal) -> str:
    return f"{stage_name(proposal)} ({seen(proposal.inputs)})"


def _told(change: Changes) -> list[tuple[str, str]]:
    """Action and comment of each further line of the timeline."""
    lines = [("measure-ordered", measure(name)) for name in change.begun]
    lines += [("measure-lifted", measure(name)) for name in change.lifted]
    lines += [("zone-closed", zone) for zone in change.closed]
    return lines + [("zone-opened", zone) for zone in change.opened]


def measure(name: str) -> str:
    """A measure in both languages."""
    words = MEASURES.get(name, Text(name, name))
    return f"{words.zh} / {words.en}"
