"""``citybrain packs new``: the folder of a new pack, whole and sound from the first minute, to be written over."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from string import Template

from citybrain.packs.schema import HEAD
from config.pack_words import NAME

_PACK = Template("""\
$head
# $name: say here what it is for. docs/adding-a-scenario.md leads through, docs/packs-format.md has every key.
pack: $name
title: {en: $title, zh: 新场景}
owner: {en: Bureau, zh: 主管部门}
domain: public-services  # economy, market-supervision, social-management, public-services, environment, appeals
status: draft            # trial or live once `citybrain packs check $name` and `citybrain packs test $name` are green
plan: {table: plan.json, reads: [severity, stage]}

datastreams:
  - property: $property
    kinds: [$kind]       # the column kind of the register of assets
    unit: "1"
    range: [0, 1]        # what lies outside goes to the dead letters
    cadence: 60s
    detector: running-level
    quality: {stuck: false}

rules:
  - alert: $alert
    reads: datastreams
    property: $property
    expr: value >= 1
    clear: value < 1
    for: 60s             # so long before it is told
    clear_for: 5m        # and so long before it is over
    severity: Severe     # Extreme, Severe, Moderate, Minor: 红 橙 黄 蓝
    headline: {en: "$title at {place}", zh: "{place}出现新情况"}

false_positives:
  - {en: "Maintenance that was announced", zh: 已报备的检修}

simulate:                # how the simulated Chengdu fills it
  assets:
    - {kind: $kind, count: 200, name: {en: $kind, zh: 传感器}}
  readings:
    - {property: $property, state: {share: 0.0005, lasts: 15m}, digits: 0}

tests:
  - name: Two minutes are told, and it is over when it was quiet for five
    series:
      - {property: $property, values: "0x3 1x4 0x8"}
    gives: [{alert: $alert, not_before: 5m, after: 6m, until: 14m}]
  - name: One reading alone is not told
    series:
      - {property: $property, values: "0x3 1 0x8"}
    never: [$alert]
""")
_RUNBOOK = Template("""\
# $title / 新场景

## Meaning

Say what has happened when $alert is told, and by which line.

## Impact

Say who is in danger or waits, and how soon it gets worse.

## Diagnosis

Say what to look at first, and how a broken sensor shows.

## Mitigation

Say what is done, by whom, in which order, and when it is over.

## 含义

说明告警出现时发生了什么，依据哪条线。

## 影响

说明谁有危险或在等待，多久会恶化。

## 诊断

说明先看什么，以及传感器故障时的表现。

## 处置

说明由谁、按什么顺序、做什么，以及何时结束。
""")
_DRILL = Template("""\
# A first exercise; docs/drills.md has every key.
drill: $name-first
title: {en: $title, zh: 新场景演练}
objective: {en: Say what people are to learn from it., zh: 说明演练目的。}
city: chengdu
begins: "2026-07-15T10:00"
lasts: 12m
pass: 0.8
inject:
  - {name: it, at: 60s, what: change, property: $property, place: "510107", radius_m: 1500, to: 1, lasts: 8m}
expect:
  - {name: told, after: it, alert: $name/$alert, place: "510107", within: 4m, points: 3}
  - {name: answered, after: told, acknowledged: true, within: 5m}
false_alerts: {at_most: 3}
""")


class BeginError(ValueError):
    """A pack cannot be begun; the message names the value and the remedy."""


def begin(folder: Path, name: str, property: str = "", kind: str = "sensor") -> list[Path]:
    """The files of the new pack ``name`` below ``folder``; raises ``BeginError`` where there is one, or no name."""
    if re.fullmatch(NAME, name) is None or name != name.lower():
        raise BeginError(f'"{name}" is no name of a pack; write small letters, digits and -, as in lift-rescue')
    if (folder / name).exists():
        raise BeginError(f"{folder / name} is there already; choose another name, or edit it")
    words = {
        "head": HEAD,
        "name": name,
        "property": property or name.replace("-", "_"),
        "kind": kind,
        "title": name.replace("-", " ").capitalize(),
        "alert": "".join(part.capitalize() for part in name.split("-")),
    }
    for key in ("property", "kind"):
        if re.fullmatch(NAME, words[key]) is None:
            raise BeginError(f'"{words[key]}" is no {key}; write letters, digits, - and _, a letter first')
    files = {
        "pack.yaml": _PACK.substitute(words),
        "runbook.md": _RUNBOOK.substitute(words),
        "plan.json": _plan(words["title"]),
        f"drills/{name}-first.yaml": _DRILL.substitute(words),
    }
    made = []
    for file, text in files.items():
        path = folder / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        made.append(path)
    return made


def _plan(title: str) -> str:
    """A plan of one stage: a patrol goes at once; the table is opened with any JDM editor (docs/plans.md)."""
    stages = _table(
        "stages",
        "first",
        ("severity", "stage"),
        ("stage", "level", "title.en", "title.zh", "notify"),
        [
            (
                "grave",
                "'Severe'",
                "",
                "'respond'",
                "1",
                f"'{title}: a patrol goes there'",
                "'新场景：派员到场'",
                "['journal']",
            ),
            (
                "gravest",
                "'Extreme'",
                "",
                "'respond'",
                "1",
                f"'{title}: a patrol goes there'",
                "'新场景：派员到场'",
                "['journal']",
            ),
            ("else", "", "", "'calm'", "0", "'Nothing to do'", "'无需处置'", ""),
        ],
    )
    tasks = _table(
        "tasks",
        "collect",
        ("stage",),
        ("what.en", "what.zh", "who", "minutes"),
        [("go", "'respond'", "'Look at the place and tell what you see'", "'到场核查并回报'", "'patrol'", "30")],
    )
    units = _table("units", "collect", ("stage",), ("kind", "count"), [("patrol", "'respond'", "'patrol'", "1")])
    names = ("situation", "stages", "tasks", "units", "plan")
    ends = [
        {"id": "situation", "type": "inputNode", "name": "situation"},
        {"id": "plan", "type": "outputNode", "name": "plan"},
    ]
    edges = [{"id": f"e{n}", "type": "edge", "sourceId": a, "targetId": b} for n, (a, b) in enumerate(pairwise(names))]
    model = {
        "contentType": "application/vnd.gorules.decision",
        "nodes": [ends[0], stages, tasks, units, ends[1]],
        "edges": edges,
    }
    for at, node in enumerate(model["nodes"]):
        assert isinstance(node, dict)
        node["position"] = {"x": 80 + 260 * at, "y": 160}
    return json.dumps(model, ensure_ascii=False, indent=1) + "\n"


def _table(
    name: str, hit: str, inputs: tuple[str, ...], outputs: tuple[str, ...], rows: list[tuple[str, ...]]
) -> dict[str, object]:
    """One decision table; a row is its id, its conditions and its answers."""
    columns = [f"in-{one}" for one in inputs] + [f"out-{one}" for one in outputs]
    content: dict[str, object] = {
        "hitPolicy": hit,
        "passThrough": True,
        "inputs": [{"id": f"in-{one}", "name": one, "field": one} for one in inputs],
        "outputs": [{"id": f"out-{one}", "name": one, "field": one} for one in outputs],
        "rules": [{"_id": row[0], **dict(zip(columns, row[1:], strict=True))} for row in rows],
    }
    if hit == "collect":
        content["outputPath"] = name
    return {"id": name, "type": "decisionTableNode", "name": name, "content": content}
