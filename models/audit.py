"""The history that cannot be edited unseen: each line carries a hash over the line before it and itself.

``chain`` = BLAKE2b-128 of the line without its chain, in which ``before`` is the chain of the line before. A changed
line no longer fits its own chain; one whose chain was made anew no longer fits the next line's ``before``; a line taken
out leaves a gap in the numbers. What a chain alone cannot show is that its newest lines were cut off or that all of it
was written anew: for that compare with a copy (the topic against the archive) or with an ``Anchor`` kept elsewhere,
such as on a printed shift report.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import msgspec
from msgspec.structs import replace

from models.values import Answer, AuditLine, Command, Order, to_json

GENESIS = ""  # ``before`` of the first line
REMEMBERED = 5_000  # lines of which a repetition is noticed: many times what lies between two acknowledgements


_Known = tuple[str, str, str, int, str]


@dataclass(frozen=True, slots=True)
class Anchor:
    """The chain that line ``number`` had at some time; ``number`` 0 with an empty chain is the start."""

    number: int = 0
    chain: str = GENESIS

    @classmethod
    def parse(cls, text: str) -> Anchor:
        """``NUMBER:CHAIN`` as ``str(anchor)`` writes it; raises ``ValueError``."""
        number, colon, chain = text.partition(":")
        if not colon or not number.isdecimal() or not chain:
            raise ValueError(f"{text!r} is no anchor; write NUMBER:CHAIN, as `citybrain audit verify` prints it")
        return cls(int(number), chain)

    def __str__(self) -> str:
        return f"{self.number}:{self.chain}"


@dataclass(frozen=True, slots=True)
class Fault:
    """The first line at which the history is not what was written."""

    number: int
    what: Literal["changed", "removed", "added"]
    why: str

    def __str__(self) -> str:
        return f"line {self.number} was {self.what}: {self.why}"


def digest(line: AuditLine) -> str:
    """The chain that belongs to ``line``, in hexadecimal; its own ``chain`` does not count."""
    return hashlib.blake2b(to_json(replace(line, chain="")), digest_size=16).hexdigest()


class Writer:
    """Numbers and chains lines; continues after ``last``, and lets out no step twice.

    A step of a subject's own history is known by its place there, what a command did by the command's id: what a crash
    makes come again is found in ``tail``, the last lines that were written. A line with neither is always new.
    """

    def __init__(self, tail: Iterable[AuditLine] = ()) -> None:
        self.at = Anchor()
        self._seen: dict[_Known, None] = {}  # the newest last
        for line in tail:
            self._note(line)

    def write(self, lines: Iterable[AuditLine]) -> list[AuditLine]:
        """The lines that are new, numbered and chained."""
        out = []
        for line in lines:
            if (line.step or line.command) and _known_by(line) in self._seen:
                continue
            numbered = replace(line, number=self.at.number + 1, before=self.at.chain)
            chained = replace(numbered, chain=digest(numbered))
            self._note(chained)
            out.append(chained)
        return out

    def _note(self, line: AuditLine) -> None:
        self.at = Anchor(line.number, line.chain)
        self._seen[_known_by(line)] = None
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]


def _known_by(line: AuditLine) -> _Known:
    return line.what, line.subject, line.did, line.step, "" if line.step else line.command


def of_command(asked: Command | Order, answer: Answer, now: int) -> AuditLine:
    """The line of a command or an order with what became of it, also where it was refused."""
    if isinstance(asked, Command):
        what, subject, did = "command", asked.alert, str(asked.action)
    else:
        what, subject, did = f"order-{asked.about}", asked.subject or answer.alert, asked.do
    detail = asked.comment if answer.status == "done" else f"{answer.message} · {asked.comment}".strip(" ·")
    return AuditLine(
        number=0,
        at=now,
        by=asked.by,
        what=what,
        subject=subject,
        did=did,
        now=answer.status,
        detail=detail,
        command=asked.id,
    )


def verify(lines: Iterable[AuditLine | bytes], start: Anchor | None = None) -> tuple[Anchor, Fault | None]:
    """How far the history holds, and its first fault, None where all of it holds.

    ``lines`` in the order they were written, as values or as the bytes that were kept. ``start`` is the anchor before
    the first line where older ones are known to lie elsewhere. The same line twice in a row, as a repeated delivery
    leaves it, is no fault.
    """
    at = start or Anchor()
    last: AuditLine | None = None
    for raw in lines:
        line = decoded(raw)
        if line is None:
            return at, Fault(at.number + 1, "changed", "it is no line of the history")
        if line == last:
            continue
        if fault := _fault(at, last, line):
            return at, fault
        at, last = Anchor(line.number, line.chain), line
    return at, None


def decoded(raw: AuditLine | bytes) -> AuditLine | None:
    """The line in ``raw``; None where it is none, or where the bytes hold more than the line's own fields."""
    if isinstance(raw, AuditLine):
        return raw
    try:
        line = msgspec.json.decode(raw, type=AuditLine)
    except msgspec.MsgspecError:
        return None
    return line if to_json(line) == raw else None


def _fault(at: Anchor, last: AuditLine | None, line: AuditLine) -> Fault | None:
    """Why ``line`` does not follow ``at``."""
    expected = at.number + 1
    intact = digest(line) == line.chain
    if line.number > expected and intact:
        return Fault(expected, "removed", f"line {at.number} is followed by line {line.number}")
    if not intact:
        return Fault(expected, "changed", f"its chain is {line.chain or 'missing'}, its content gives {digest(line)}")
    if line.number < expected:
        return Fault(line.number, "added", f"it comes again after line {at.number}, with other content")
    if line.before != at.chain:
        changed = at.number if last is not None else expected
        return Fault(
            changed, "changed", f"line {line.number} was written after {line.before or 'nothing'}, not {at.chain}"
        )
    return None
