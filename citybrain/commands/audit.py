"""``citybrain audit``: the history of commands and transitions, listed, and checked against itself and its copy."""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from citybrain import kept_messages
from citybrain.kept_messages import Kept
from config import contract
from config.settings import Settings
from models.audit import Anchor, Fault, decoded, verify
from models.values import AuditLine

LIMIT = 100_000


class AuditError(ValueError):
    """The history cannot be looked at as asked; the message says why."""


class _Differs(Exception):
    """The archive and the log have a line otherwise."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


def check(settings: Settings, start: str | None, anchor: str | None, as_json: bool) -> int:
    """Verify the whole history; 0 when it holds, 1 with the first line that was changed or removed.

    ``start``: NUMBER:CHAIN of the line before the first that is kept here. ``anchor``: NUMBER:CHAIN of a line as it was
    noted elsewhere, which must be so still.
    """
    first, noted = _anchor(start), _anchor(anchor)
    at, fault = _verified(settings, first, noted)
    if as_json:
        found = {"ok": fault is None, "lines": at.number, "anchor": str(at) if at.number else ""}
        told: dict[str, Any] = {"line": fault.number, "what": fault.what, "why": fault.why} if fault else {}
        print(json.dumps(found | {"fault": told or None}, ensure_ascii=False))
    elif fault is None:
        print(f"{at.number} lines hold; anchor {at}" if at.number else "the history is empty")
    else:
        print(f"citybrain audit: {fault}; the lines before it hold", file=sys.stderr)
    return 1 if fault else 0


def show(settings: Settings, limit: int, by: str | None, subject: str | None, as_json: bool) -> int:
    """The newest ``limit`` lines, the oldest of them first, of one person or subject where asked; exit code 0."""
    if not 1 <= limit <= LIMIT:
        raise AuditError(f"--limit {limit} is outside 1..{LIMIT}")
    chosen: deque[AuditLine] = deque(maxlen=limit)
    for kept in kept_messages.read(settings, contract.AUDIT):
        line = decoded(kept.value)
        if line is not None and by in (None, line.by) and subject in (None, line.subject):
            chosen.append(line)
    if as_json:
        print(json.dumps({"lines": [msgspec.to_builtins(line) for line in chosen]}, ensure_ascii=False))
        return 0
    for line in chosen:
        print(_row(line))
    if not chosen:
        print(f"no lines in the history of {settings.city}", file=sys.stderr)
    return 0


def _verified(settings: Settings, first: Anchor | None, noted: Anchor | None) -> tuple[Anchor, Fault | None]:
    seen = _Seen(noted)
    try:
        at, fault = verify(seen.lines(kept_messages.read(settings, contract.AUDIT)), first)
    except _Differs as differs:
        return seen.at, differs.fault
    if fault is None and noted is not None and not seen.met:
        return at, Fault(at.number + 1, "removed", f"the history ends before line {noted.number}, which was noted")
    return at, fault


class _Seen:
    """Passes lines on to the check, comparing what both places keep and what was noted elsewhere."""

    def __init__(self, noted: Anchor | None) -> None:
        self.at = Anchor()
        self.met = noted is None
        self._noted = noted
        self._archive_begun = self._log_begun = False
        self._not_archived = 0  # the first line, after the archive began, that only the log has

    def lines(self, kept: Iterator[Kept]) -> Iterator[bytes]:
        """The bytes of each line; raises ``_Differs``."""
        for one in kept:
            self._compare(one)
            line = decoded(one.value)
            if line is not None and self._noted is not None and line.number == self._noted.number:
                self._meet(line)
            yield one.value
            if line is not None:
                self.at = Anchor(line.number, line.chain)

    def _compare(self, one: Kept) -> None:
        """A hole in one place that the other does not have; the archive's newest lines may be missing still."""
        number = self.at.number + 1
        if one.archived is not None and one.logged is not None and one.archived != one.logged:
            raise _Differs(Fault(number, "changed", "the archive and the topic differ in it"))
        if one.logged is None and self._log_begun:
            raise _Differs(Fault(number, "removed", "the archive has it, the topic has lines before and not it"))
        if one.archived is not None and self._not_archived:
            raise _Differs(Fault(self._not_archived, "removed", "the topic has it, the archive has lines after it"))
        self._archive_begun |= one.archived is not None
        self._log_begun |= one.logged is not None
        if one.archived is None and self._archive_begun:
            self._not_archived = self._not_archived or number

    def _meet(self, line: AuditLine) -> None:
        assert self._noted is not None
        if line.chain != self._noted.chain:
            why = f"its chain is {line.chain}, noted was {self._noted.chain}: it or a line before it was written anew"
            raise _Differs(Fault(line.number, "changed", why))
        self.met = True


def _anchor(text: str | None) -> Anchor | None:
    if text is None:
        return None
    try:
        return Anchor.parse(text)
    except ValueError as error:
        raise AuditError(str(error)) from error


def _row(line: AuditLine) -> str:
    at = datetime.fromtimestamp(line.at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    step = f"{line.was} → {line.now}" if line.was else line.now
    who, subject = line.by or "system", f"{line.what} {line.subject}".strip()
    return f"{line.number:>8}  {at}  {who:<14}  {subject:<28}  {line.did:<14}  {step}  {line.detail}".rstrip()
