"""Checks of a decision table's cells: what a condition compares, which rows can be reached, which cases have no row.

A condition compares its own input with numbers and words, no more; so a few points of each input stand for all its
values: the numbers and words that the column's cells name, one between and beyond each, and None. On these points the
rows are boxes, and what one row leaves to the next is box minus box: exact, not sampled.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import zen

from config.jdm import Grid, JdmError, Row
from models.plan_inputs import Input, Value

_TEXT = re.compile(r"'[^']*'|\"[^\"]*\"")
_NUMBER = re.compile(r"(?<!\w)-?\d+(?:\.\d+)?(?!\w)")
_ALLOWED = re.compile(r"\s+|\$|==|!=|<=|>=|<|>|,|\.\.|[\[\]()]|(?:and|or|not|in|null|true|false)(?!\w)")
_PLAIN = re.compile(r"\s+|[\[\],]")
_OTHER = "another one"  # stands for every word that no cell names
_BOXES = 20_000  # pieces that a case may fall into while it is looked at

# That a condition cannot be asked of a value is an everyday answer here. Where RUST_BACKTRACE is set, the engine would
# gather the stack of each, and keep 60 MB of names for them.
os.environ.setdefault("RUST_LIB_BACKTRACE", "0")

Box = tuple[int, ...]  # for each column the points at which its condition holds, as bits


@dataclass(frozen=True, slots=True)
class Points:
    """The values of one input that stand for all others, in a fixed order, and each cell's answer at each."""

    name: str
    values: tuple[Value, ...]

    @property
    def every(self) -> int:
        """All points, as bits."""
        return (1 << len(self.values)) - 1

    def holds(self, cell: str) -> int:
        """The points at which the condition holds, as bits; an empty one holds everywhere."""
        if not cell:
            return self.every
        condition = zen.compile_unary_expression(cell)
        return sum(1 << place for place, value in enumerate(self.values) if _holds(condition, value))

    def some(self, bits: int) -> str:
        """One of the points, for a message."""
        value = self.values[(bits & -bits).bit_length() - 1]
        if isinstance(value, float):
            return f"{self.name} {value:g}"
        return f"{self.name} {'unknown' if value is None else value or 'empty'}"


def conditions(grid: Grid, inputs: Sequence[Input]) -> tuple[list[Points], list[Box]]:
    """The points of each input column and the box of each row; raises ``JdmError`` for a cell that cannot hold."""
    for row in grid.rows:
        for column, cell in zip(grid.inputs, row.inputs, strict=True):
            _condition(grid.at(row.number, column.shown), cell)
    points = [
        Points(column.reads, _points(one, [row.inputs[at] for row in grid.rows]))
        for at, (column, one) in enumerate(zip(grid.inputs, inputs, strict=True))
    ]
    boxes = []
    for row in grid.rows:
        box = tuple(point.holds(cell) for point, cell in zip(points, row.inputs, strict=True))
        for at, bits in enumerate(box):
            if not bits:
                where = grid.at(row.number, grid.inputs[at].shown)
                raise JdmError(f"{where}: {row.inputs[at]!r} never holds for {_domain(inputs[at])}")
        boxes.append(box)
    return points, boxes


def reachable(grid: Grid, points: Sequence[Points], boxes: Sequence[Box]) -> None:
    """Every row is some case's first, and every case has a row; else ``JdmError`` names the row, or a case."""
    for at, box in enumerate(boxes):
        if not _left(grid, [box], boxes[:at]):
            over = next((k for k in range(at) if _inside(box, boxes[k])), None)
            above = f"row {grid.rows[over].number}" if over is not None else "the rows above it together"
            raise JdmError(
                f"{grid.where}, row {grid.rows[at].number}: it is never reached, for {above} answers all its cases; "
                "move it up or take it out"
            )
    left = _left(grid, [tuple(point.every for point in points)], boxes)
    if left:
        case = ", ".join(point.some(bits) for point, bits in zip(points, left[0], strict=True))
        raise JdmError(
            f"{grid.where}: no row answers {case or 'anything'}; end the table with a default, a row without conditions"
        )


def constant(grid: Grid, row: Row, at: int) -> Any:
    """The value of an output cell, which depends on nothing; None for an empty one."""
    cell, where = row.outputs[at], grid.at(row.number, grid.outputs[at].shown)
    if not cell:
        return None
    left = _PLAIN.sub("", _NUMBER.sub("", _TEXT.sub("", cell)))
    if left:
        raise JdmError(f"{where}: {left[:40]!r} in {cell!r} is no value; write 'a word', a number or a list")
    try:
        return zen.evaluate_expression(cell, {})
    except RuntimeError as error:
        raise JdmError(
            f"{where}: {cell!r} is no value ({_reason(error)}); write 'a word', a number or a list"
        ) from error


def _condition(where: str, cell: str) -> None:
    left = _ALLOWED.sub("", _NUMBER.sub("", _TEXT.sub("", cell)))
    if left:
        raise JdmError(
            f"{where}: {left[:40]!r} in {cell!r} is not understood; compare with numbers and 'words', as in >= 5, "
            "[18..24) or 'a', 'b'"
        )
    try:
        if cell:
            zen.compile_unary_expression(cell)
    except RuntimeError as error:
        raise JdmError(f"{where}: {cell!r} is no condition: {_reason(error)}") from error


def _reason(error: RuntimeError) -> str:
    """What the engine says, without its stack."""
    line = str(error).partition("\n")[0]
    try:
        return str(json.loads(line)["source"])
    except (ValueError, KeyError, TypeError):
        return line


def _holds(condition: Any, value: Value) -> bool:
    """As a table asks it: a comparison that makes no sense, as with None, does not hold."""
    try:
        return condition.evaluate({"$": value}) is True
    except RuntimeError:
        return False


def _points(one: Input, cells: Iterable[str]) -> tuple[Value, ...]:
    text = " ".join(cells)
    if one.kind == "word":
        words = dict.fromkeys(found[1:-1] for found in _TEXT.findall(text))
        return (*(one.words or (*words, _OTHER)), None)
    named = {float(found) for found in _NUMBER.findall(_TEXT.sub("", text))} | {one.low, one.high}
    inside = sorted(value for value in named if one.low <= value <= one.high and abs(value) != float("inf"))
    if not inside:
        return (0.0, None)
    values = list(inside)
    values += [(a + b) / 2 for a, b in itertools.pairwise(inside)]
    values += [inside[-1] + 1.0] * (one.high == float("inf")) + [inside[0] - 1.0] * (one.low == -float("inf"))
    return (*sorted(values), None)


def _domain(one: Input) -> str:
    if one.kind == "word":
        return f"one of {', '.join(one.words)}" if one.words else "a word"
    if one.high != float("inf"):
        return f"a number from {one.low:g} to {one.high:g}"
    return "a number" if one.low == -float("inf") else f"a number from {one.low:g}"


def _inside(box: Box, other: Box) -> bool:
    return all(bits & ~more == 0 for bits, more in zip(box, other, strict=True))


def _left(grid: Grid, boxes: list[Box], taken: Sequence[Box]) -> list[Box]:
    """What of ``boxes`` no box of ``taken`` holds."""
    for one in taken:
        boxes = [piece for box in boxes for piece in _minus(box, one)]
        if len(boxes) > _BOXES:
            raise JdmError(f"{grid.where}: its rows overlap in more than {_BOXES} ways; use fewer columns or rows")
    return boxes


def _minus(box: Box, other: Box) -> list[Box]:
    if any(bits & more == 0 for bits, more in zip(box, other, strict=True)):
        return [box]
    pieces = []
    for at, more in enumerate(other):
        rest = box[at] & ~more
        if rest:
            pieces.append((*box[:at], rest, *box[at + 1 :]))
        box = (*box[:at], box[at] & more, *box[at + 1 :])
    return pieces
