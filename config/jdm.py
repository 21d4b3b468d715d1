"""Decision tables as JDM editors write them (GoRules JSON Decision Model), taken apart into plain rows.

Only what a response plan needs is taken: one input, one output and decision tables between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

RULE_ID = "_id"
DESCRIPTION = "_description"  # an editor's column for remarks


class JdmError(ValueError):
    """A plan cannot be used; the message names file, table, row and column, the value and the remedy."""


class Column(msgspec.Struct, frozen=True):
    """A column of a table: ``field`` is the name it reads or writes."""

    id: str
    name: str = ""
    field: str | None = None

    @property
    def reads(self) -> str:
        """The name it reads or writes; empty when it has none."""
        return (self.field or "").strip()

    @property
    def shown(self) -> str:
        """What an editor's head line shows for it."""
        return self.reads or self.name or self.id


class _Content(msgspec.Struct, frozen=True, rename="camel"):
    hit_policy: str = "first"
    inputs: list[Column] = []
    outputs: list[Column] = []
    rules: list[dict[str, Any]] = []
    pass_through: bool = False
    input_field: str | None = None
    output_path: str | None = None
    execution_mode: str = "single"


class _Node(msgspec.Struct, frozen=True):
    id: str
    type: str
    name: str = ""
    content: msgspec.Raw = msgspec.Raw(b"null")


class _Edge(msgspec.Struct, frozen=True, rename="camel"):
    source_id: str
    target_id: str


class _Graph(msgspec.Struct, frozen=True):
    nodes: list[_Node]
    edges: list[_Edge]


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the 1-based ``number`` an editor shows, its id, and its cells in the order of the table's columns."""

    number: int
    id: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """One decision table. ``where`` names file and table for messages."""

    where: str
    name: str
    first: bool  # the first row that holds answers; else every one
    inputs: tuple[Column, ...]
    outputs: tuple[Column, ...]
    rows: tuple[Row, ...]
    pass_through: bool
    input_field: str
    output_path: str
    loop: bool

    def at(self, row: int, column: str) -> str:
        """The place of a cell, for messages."""
        return f"{self.where}, row {row}, column {column}"


def grids(data: bytes, file: str) -> dict[str, Grid]:
    """The tables in a JDM file by name; raises ``JdmError`` naming file, table, row and column."""
    try:
        graph = msgspec.json.decode(data, type=_Graph)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise JdmError(f"{file}: not a decision model: {error}; save it from a JDM editor") from error
    for kind in ("inputNode", "outputNode"):
        count = sum(node.type == kind for node in graph.nodes)
        if count != 1:
            raise JdmError(f"{file}: {count} nodes are of type {kind}; a plan has 1")
    found: dict[str, Grid] = {}
    for node in graph.nodes:
        if node.type in ("inputNode", "outputNode"):
            continue
        if node.type != "decisionTableNode":
            raise JdmError(f"{file}: node {node.name!r} is of type {node.type}; a plan has decision tables alone")
        if node.name in found:
            raise JdmError(f"{file}: two tables are named {node.name!r}; rename one")
        found[node.name] = _grid(node, f"{file}, table {node.name}")
    _chained(graph, file)
    return found


def _chained(graph: _Graph, file: str) -> None:
    """Every node lies on the one way from the input to the output; a table beside it would never be asked."""
    kinds = {node.id: node for node in graph.nodes}
    after: dict[str, list[str]] = {}
    for edge in graph.edges:
        for end in (edge.source_id, edge.target_id):
            if end not in kinds:
                raise JdmError(f"{file}: a line leads to node {end!r}, which is not there; draw it anew")
        after.setdefault(edge.source_id, []).append(edge.target_id)
    at = next(node.id for node in graph.nodes if node.type == "inputNode")
    seen = [at]
    while kinds[at].type != "outputNode":
        following = after.get(at, [])
        if len(following) != 1 or following[0] in seen:
            raise JdmError(
                f"{file}: {len(following)} lines leave {kinds[at].name!r}; lead one line from the input through each "
                "table to the output"
            )
        at = following[0]
        seen.append(at)
    beside = [kinds[name].name for name in kinds if name not in seen]
    if beside:
        raise JdmError(f"{file}: {', '.join(map(repr, beside))} is not on the line from the input to the output")


def _grid(node: _Node, where: str) -> Grid:
    try:
        content = msgspec.json.decode(node.content, type=_Content)
    except msgspec.ValidationError as error:
        raise JdmError(f"{where}: {error}") from error
    if content.hit_policy not in ("first", "collect"):
        raise JdmError(f"{where}: hit policy {content.hit_policy!r} is unknown; use first or collect")
    for column in (*content.inputs, *content.outputs):
        if not column.reads:
            kind = "input" if column in content.inputs else "output"
            raise JdmError(f"{where}, head line, column {column.shown}: the {kind} names no field; say what it reads")
    _once(where, [column.reads for column in content.inputs])
    _once(where, [column.reads for column in content.outputs])
    rows = tuple(_row(content, number, where) for number in range(1, len(content.rules) + 1))
    return Grid(
        where=where,
        name=node.name,
        first=content.hit_policy == "first",
        inputs=tuple(content.inputs),
        outputs=tuple(content.outputs),
        rows=rows,
        pass_through=content.pass_through,
        input_field=content.input_field or "",
        output_path=content.output_path or "",
        loop=content.execution_mode == "loop",
    )


def _once(where: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise JdmError(f"{where}, head line, column {name}: it stands there {names.count(name)} times; keep one")


def _row(content: _Content, number: int, where: str) -> Row:
    rule = content.rules[number - 1]
    here = f"{where}, row {number}"
    known = {column.id for column in (*content.inputs, *content.outputs)}
    for key, cell in rule.items():
        if key not in known and not key.startswith("_") and str(cell).strip():
            raise JdmError(
                f"{here}, column {key}: the cell {cell!r} belongs to a column that is not in the table, so its "
                "condition would be lost; put the column back, or empty the cell"
            )
    name = rule.get(RULE_ID)
    if not isinstance(name, str) or not name:
        raise JdmError(f"{here}: the row has no {RULE_ID}; give it one that stays")
    if sum(other.get(RULE_ID) == name for other in content.rules) > 1:
        raise JdmError(f"{here}: its {RULE_ID} {name!r} is another row's too; give each its own")
    return Row(
        number=number,
        id=name,
        inputs=tuple(_cell(rule, column, here) for column in content.inputs),
        outputs=tuple(_cell(rule, column, here) for column in content.outputs),
    )


def _cell(rule: dict[str, Any], column: Column, here: str) -> str:
    cell = rule.get(column.id)
    if not isinstance(cell, str):
        lacks = "is missing" if cell is None else f"is {cell!r}, not text"
        raise JdmError(f'{here}, column {column.shown}: the cell {lacks}; write "" for any value, or a condition')
    return cell.strip()
