"""Cards: one page a pack in ``docs/packs/``, written from what is declared, so that it cannot be out of date."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from citybrain.packs.complete import loaded
from config import drills, pack_runbook
from config.drills import Drill, DrillError
from config.pack import FOLDER, Pack
from config.pack_simulate import Reading
from config.plans import PlanError
from config.plans import load as load_plan
from models.rules import Rule
from models.values import Text

DOCS = Path(__file__).parents[2] / "docs" / "packs"
COLOUR = {"Extreme": "red 红", "Severe": "orange 橙", "Moderate": "yellow 黄", "Minor": "blue 蓝"}
BY_HAND = "real.md"  # ends so: a page of figures that people wrote, linked from the card


def cards(folder: Path = FOLDER, docs: Path = DOCS) -> dict[Path, str]:
    """The text of each card by its path: one for each pack that loads, and the list of them."""
    found = [one for one in loaded(folder).values() if isinstance(one, Pack)]
    pages = {docs / f"{pack.name}.md": card(pack, folder / pack.name, docs) for pack in found}
    return pages | {docs / "README.md": _list(found)}


def write(folder: Path = FOLDER, docs: Path = DOCS) -> list[Path]:
    """Write the cards that are not as they should be; which they were."""
    changed = []
    for path, text in cards(folder, docs).items():
        if not path.exists() or path.read_text("utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            changed.append(path)
    return changed


def card(pack: Pack, folder: Path, docs: Path = DOCS) -> str:
    """The card of one pack."""
    parts = [
        f"# {pack.title.en} · {pack.title.zh}",
        f"Pack `{pack.name}` · {pack.status} · {pack.domain} · {pack.owner.en} / {pack.owner.zh}",
        _real(pack, docs),
        _runbook(folder, "Meaning", "含义"),
        _section("What it reads", _reads(pack)),
        _section("What it tells", _rules(pack.rules)),
        _section("What follows from what", _inhibitions(pack)),
        _section("What is done", [*_plan(pack), _runbook(folder, "Mitigation", "处置")]),
        _section("What looks like it and is not", [f"- {one.en} / {one.zh}" for one in pack.false_positives]),
        _section("How it is tried", _trials(pack, folder)),
        _section("How it is simulated", _simulated(pack)),
        f"Generated from `config/packs/{pack.name}/` by `citybrain packs cards`; edit the pack, not this page.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _section(title: str, lines: Sequence[str]) -> str:
    body = [line for line in lines if line]
    return f"## {title}\n\n" + "\n".join(body) if body else ""


def _real(pack: Pack, docs: Path) -> str:
    page = docs / f"{pack.name}-{BY_HAND}"
    return f"[On real data: what it found, with figures]({page.name})" if page.exists() else ""


def _runbook(folder: Path, en: str, zh: str) -> str:
    """A section of the runbook in both languages."""
    path = folder / pack_runbook.FILE
    said = pack_runbook.sections(path.read_text("utf-8")) if path.exists() else {}
    return "\n\n".join(said[name] for name in (en, zh) if name in said)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return []
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return lines + [f"| {' | '.join(_cell(one) for one in row)} |" for row in rows]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _reads(pack: Pack) -> list[str]:
    rows = [
        (
            f"`{one.property}`",
            ", ".join(one.kinds),
            one.unit,
            f"{one.low:g} to {one.high:g}",
            _span(round(one.cadence_s * 1_000)),
            one.detector.name + (", summed over zones" if one.property in pack.zones else ""),
        )
        for one in pack.watched
    ]
    events = [
        f"- events `{one.kind}`{': ' + _both(one.means) if one.means.en else ''}"
        + (f" (made by {one.detector})" if one.detector else "")
        for one in pack.events
    ]
    table = _table(("property", "on", "unit", "valid", "every", "judged by"), rows)
    return table + ([""] if table and events else []) + events


def _both(text: Text) -> str:
    return f"{text.en} / {text.zh}"


def _rules(rules: Sequence[Rule]) -> list[str]:
    rows = [
        (f"`{rule.name}`", COLOUR[rule.severity], _when(rule), _until(rule), f"{rule.headline.en} / {rule.headline.zh}")
        for rule in rules
    ]
    return _table(("alert", "severity", "when", "over when", "headline"), rows)


def _when(rule: Rule) -> str:
    lasting = f", for {_span(rule.for_ms)}" if rule.for_ms else ""
    line = f", line {rule.line_of} {rule.line:g}" if rule.line is not None else ""
    kinds = f", in {', '.join(rule.zone_kinds)}" if rule.zone_kinds else ""
    return f"{rule.property}: `{rule.expr}`{lasting}{line}{kinds}"


def _until(rule: Rule) -> str:
    lasting = f", for {_span(rule.clear_for_ms)}" if rule.clear_for_ms else ""
    return f"`{rule.clear}`{lasting}"


def _span(ms: int) -> str:
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000)):
        if ms % size == 0:
            return f"{ms // size} {unit}"
    return f"{ms / 1_000:g} s"


def _inhibitions(pack: Pack) -> list[str]:
    lines = []
    for one in pack.inhibitions:
        source = one.source.rule or f"any {one.source.kind}"
        target = one.target.rule or f"any {one.target.kind}"
        where = {"same-place": "at the same place", "same-zone": "in the same zone"}.get(one.where)
        lines.append(
            f"- `{source}` explains `{target}` {where or f'within {one.near_m:g} m'}: that is held back meanwhile"
        )
    return lines


def _plan(pack: Pack) -> list[str]:
    if pack.plan is None:
        return []
    try:
        plan = load_plan(pack.plan)
    except PlanError:
        return []  # told by packs check
    stages = ", ".join(f"{name} ({level})" for name, level in sorted(plan.levels.items(), key=lambda one: -one[1]))
    return [f"Plan `{plan.plan}` answers by {', '.join(plan.reads)}; stages, the gravest first: {stages}.\n"]


def _trials(pack: Pack, folder: Path) -> list[str]:
    lines = [f"- test: {one.name}" for one in pack.tests]
    for one in drills.listed(folder.parent):
        if one.pack != pack.name:
            continue
        try:
            drill: Drill = drills.load(one.path)
        except DrillError:
            continue  # told by packs check
        lines.append(f"- drill `{drill.drill}`: {_both(drill.title)}. {drill.objective.en}")
    return lines


def _simulated(pack: Pack) -> list[str]:
    lines = [
        f"- {one.count or f'{one.per_zone} in each {one.at}'} × {one.kind} ({_both(one.name)})"
        for one in pack.simulated.assets
    ]
    return lines + [f"- `{one.property}`: {_said(one)}" for one in pack.simulated.readings]


def _said(one: Reading) -> str:
    if one.model is not None:
        return f"the city's model {one.model}"
    parts = [f"{one.base:g} at rest"]
    parts += [f"up to {one.swing:g} more by the rhythm of {one.rhythm}"] if one.swing else []
    parts += [f"{one.rain[0]:g} for each mm/h of rain"] if one.rain[0] else []
    parts += [f"{one.wind:g} for each m/s of wind"] if one.wind else []
    parts += [f"noise {one.noise:g}"] if one.noise else []
    parts += [f"{one.state[2]:g} at {one.state[0]:.3%} of them, {_span(one.state[1])} long"] if one.state[0] else []
    return ", ".join(parts)


def _list(found: Sequence[Pack]) -> str:
    rows = [
        (
            f"[{pack.title.en}]({pack.name}.md)",
            pack.title.zh,
            pack.domain,
            pack.status,
            str(len(pack.rules)),
            str(len(pack.tests)),
        )
        for pack in found
    ]
    head = ("pack", "场景", "domain", "status", "rules", "tests")
    return (
        "# The scenario packs\n\nHow a pack is written: [packs-format.md](../packs-format.md); how one is added: "
        "[adding-a-scenario.md](../adding-a-scenario.md).\n\n" + "\n".join(_table(head, rows)) + "\n\n"
        "Generated by `citybrain packs cards`.\n"
    )
