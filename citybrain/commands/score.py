"""``citybrain score``: how strange each row of a CSV is, given the rows before it and nothing else."""

from __future__ import annotations

import csv
import io
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import IO, BinaryIO

import numpy as np
from rich.console import Console
from rich.progress import wrap_file

from citybrain.commands.csv_text import NUL, REMEDY, delimiter
from models import univariate

CHUNK = 10_000  # rows scored at once; what is told does not depend on it
LONG = 2_000_000  # bytes from which on the progress is shown
GAPS = {"", "nan", "na", "n/a", "null", "none", "-", "inf", "+inf", "-inf", "infinity", "-infinity"}
HEADER = ("timestamp", "value", "score", "alert")


class ScoreError(ValueError):
    """The file cannot be scored; the message names the file, the row, what is there and what is needed."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it was written, and as it is understood: seconds since 1970, and a value that is NaN for a gap."""

    stamp: str
    text: str
    time_s: int
    value: float


def run(file: Path, time: str = "timestamp", value: str = "value", output: Path | None = None) -> int:
    """Score ``file`` row by row and write timestamp,value,score,alert to ``output`` or standard output; exit code 0.

    ``time`` and ``value`` name the columns. The score is 0..1, empty for a gap; alert is 1 from 0.5 on. The first
    rows of a file get the same scores whatever follows them. Raises ``ScoreError``.
    """
    if output is not None and any(_same(file, path) for path in (output, _part(output))):
        raise ScoreError(f"-o {output} is the file that is read, or its draft; name another one")
    with _opened(file) as lines, _target(output) as target:
        rows = _rows(lines, file, time, value)
        writer = csv.writer(target, lineterminator="\n")
        said = _Said()
        state = univariate.start()
        while chunk := list(islice(rows, CHUNK)):
            seconds = np.array([row.time_s for row in chunk], np.int64)
            values = np.array([row.value for row in chunk])
            state, scores = univariate.step(state, seconds, values)
            if not said.rows:  # a file without rows leaves no header behind
                writer.writerow(HEADER)
            writer.writerows(_told(row, score) for row, score in zip(chunk, scores.tolist(), strict=True))
            said.count(seconds, scores.tolist())
        if not said.rows:
            raise ScoreError(f"{file} has a header but no rows; there is nothing to score")
    print(said.line(file), file=sys.stderr)
    return 0


@dataclass
class _Said:
    """What is said at the end: rows, gaps, alerts, and stamps that do not go forward."""

    rows: int = 0
    gaps: int = 0
    alerts: int = 0
    backward: int = 0
    last: int | None = None

    def count(self, seconds: np.ndarray[tuple[int], np.dtype[np.int64]], scores: list[float]) -> None:
        """Count a chunk."""
        self.rows += len(scores)
        self.gaps += sum(math.isnan(score) for score in scores)
        self.alerts += sum(score >= univariate.ALERT for score in scores)
        times = seconds.tolist() if self.last is None else [self.last, *seconds.tolist()]
        self.backward += sum(after <= before for before, after in pairwise(times))
        self.last = times[-1]

    def line(self, file: Path) -> str:
        """The line for standard error."""
        parts = [f"{file}: {self.rows} rows, {self.alerts} alerts"]
        if self.gaps:
            parts.append(f"{self.gaps} without a value, left unscored")
        if self.backward:
            parts.append(f"{self.backward} whose time is not after the row before, scored in the order of the file")
        return ", ".join(parts)


def _told(row: Row, score: float) -> tuple[str, str, str, int]:
    if math.isnan(score):
        return row.stamp, row.text, "", 0
    return row.stamp, row.text, f"{score:.6f}", int(score >= univariate.ALERT)


def _rows(lines: IO[str], file: Path, time: str, value: str) -> Iterator[Row]:
    """The rows of the file, checked one after the other."""
    number = 0
    try:
        first = next(iter(lines), "")
        if not first.strip():
            raise ScoreError(f"{file} is empty or begins with an empty line; it needs a header with {time},{value}")
        if NUL in first:
            raise ScoreError(f"{file} line 1 has a NUL character; {REMEDY}")
        reader = csv.reader(chain([first], lines), delimiter=delimiter(first))
        header = [name.strip() for name in next(reader)]
        for option, name in (("--time", time), ("--value", value)):
            if name not in header:
                raise ScoreError(f"{file} has no column {name!r} but {header}; name the right one with {option}")
            if header.count(name) > 1:
                raise ScoreError(f"{file} has {header.count(name)} columns {name!r}; name another one with {option}")
        at, what = header.index(time), header.index(value)
        zoned: bool | None = None
        for cells in reader:
            number = reader.line_num
            if not cells:
                continue
            where = f"{file} line {number}"
            if len(cells) <= max(at, what):
                raise ScoreError(f"{where} has {len(cells)} columns, the header {len(header)}")
            time_s, aware = _time(cells[at].strip(), where)
            if zoned is not None and aware is not zoned:
                raise ScoreError(
                    f"{where}: {cells[at]!r} and the rows before mix times with and without a zone; use one"
                )
            zoned = aware
            yield Row(cells[at], cells[what], time_s, _value(cells[what].strip(), where))
    except csv.Error as error:
        raise ScoreError(f"{file} after line {number} is not CSV: {error}; mend or remove the line") from error
    except UnicodeDecodeError as error:
        raise ScoreError(f"{file} is not UTF-8 text: {error}; save it as UTF-8") from error
    except OSError as error:
        raise ScoreError(f"{file} cannot be read after line {number}: {error.strerror}") from error


def _time(text: str, where: str) -> tuple[int, bool]:
    """Seconds since 1970 of ISO 8601 (without a zone: as it stands; with one: in UTC) or of a Unix time; has it one?"""
    try:
        number = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise ScoreError(
                f"{where}: time {_short(text)!r} is not understood; "
                "write it as 2026-01-31 23:55:00 or as seconds since 1970"
            ) from error
        aware = moment.tzinfo is not None
        return math.floor((moment if aware else moment.replace(tzinfo=UTC)).timestamp()), aware
    for most, unit in ((1e11, 1), (1e14, 1e3), (1e17, 1e6), (9.2e18, 1e9)):  # s, ms, µs, ns
        if abs(number) < most:
            return math.floor(number / unit), True
    raise ScoreError(f"{where}: time {_short(text)!r} is out of range; use ISO 8601 or seconds since 1970")


def _value(text: str, where: str) -> float:
    """The number in ``text``; NaN for the usual words of a gap."""
    if text.lower() in GAPS:
        return math.nan
    try:
        if "_" in text:  # Python reads 1_000
            raise ValueError(text)
        return float(text)
    except ValueError as error:
        raise ScoreError(
            f"{where}: value {_short(text)!r} is not a number; leave it empty where there is none"
        ) from error


def _short(text: str) -> str:
    """The text as far as a message has room for it."""
    return text if len(text) <= 40 else text[:40] + "…"


@contextmanager
def _opened(file: Path) -> Iterator[IO[str]]:
    """The file as text, with a progress bar on standard error when it is long and a terminal is there."""
    try:
        raw: BinaryIO = file.open("rb")
    except OSError as error:
        raise ScoreError(f"{file} cannot be read: {error.strerror}") from error
    with raw:
        size = file.stat().st_size
        console = Console(stderr=True)
        if size < LONG or not console.is_terminal:
            yield io.TextIOWrapper(raw, "utf-8-sig", newline="")
            return
        with wrap_file(raw, size, description=file.name, console=console) as shown:
            yield io.TextIOWrapper(shown, "utf-8-sig", newline="")


def _same(file: Path, other: Path) -> bool:
    """Whether both are one file, by whatever name."""
    return file.exists() and other.exists() and file.samefile(other)


def _part(output: Path) -> Path:
    """Where the scores are written until all are there."""
    return output.with_name(output.name + ".part")


@contextmanager
def _target(output: Path | None) -> Iterator[IO[str]]:
    """Where the scores go: whole to ``output`` or not at all; to standard output, a device or a pipe as they come."""
    if output is None:
        yield sys.stdout
        return
    draft = output if output.exists() and not output.is_file() else _part(output)
    try:
        target = draft.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise ScoreError(f"{output} cannot be written: {error.strerror}") from error
    try:
        with target:
            yield target
        if draft != output:
            draft.replace(output)
    except OSError as error:
        raise ScoreError(f"{output} cannot be written: {error.strerror}") from error
    finally:
        if draft != output:
            draft.unlink(missing_ok=True)
