"""Dates as people write them, and the periods (hours, days, weeks, months, years) that a scan counts by."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

KINDS = ("hour", "day", "week", "month", "year")
_FORMS = {
    "a year": re.compile(r"\d{4}"),
    "a month": re.compile(r"\d{4}-\d{2}"),
    "a date": re.compile(r"\d{4}-\d{2}-\d{2}"),
    "a date with slashes": re.compile(r"\d{4}/\d{1,2}/\d{1,2}"),
    "a date in eight digits": re.compile(r"\d{8}"),
    "a time": re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}.*"),
}
_FINEST = {"a year": "year", "a month": "month", "a time": "hour"}  # of the others: day
_USUAL = _FINEST | {"a time": "day"}
SEVERAL, WEEKS = 3, 4  # distinct dates from which on their spacing tells the period


class DateError(ValueError):
    """A date cannot be used; the message names the line, what is there and what is needed."""


@dataclass(frozen=True)
class Periods:
    """The periods of a file: what they are, how the dates were written that stand for them, and why."""

    kind: str
    written: dict[int, str]
    why: str = ""

    def name(self, number: int) -> str:
        """The period as the file writes it, or as ISO 8601 has it."""
        return self.written.get(number) or _name(number, self.kind)


class Dates:
    """The dates of one file, all of one form."""

    def __init__(self, file: str) -> None:
        """``file`` is named in errors."""
        self._file = file
        self._known: dict[str, int] = {}
        self._moments: list[datetime] = []
        self._rows: list[int] = []
        self._form = ""
        self._zoned: bool | None = None
        self._first = ""

    def add(self, text: str, where: str) -> None:
        """The date of the next row, found at ``where``."""
        row = self._known.get(text)
        if row is None:
            row = self._known[text] = len(self._moments)
            self._moments.append(self._moment(text, where))
        self._rows.append(row)

    def _moment(self, text: str, where: str) -> datetime:
        form = next((name for name, pattern in _FORMS.items() if pattern.fullmatch(text)), None)
        if form is None:
            raise DateError(f"{where}: date {text!r} is not understood; write it as 2026-01-31")
        try:
            moment = _parse(text, form)
        except ValueError as error:
            raise DateError(f"{where}: date {text!r} is no date: {error}") from error
        zoned = moment.tzinfo is not None
        if not self._form:
            self._form, self._zoned, self._first = form, zoned, text
        if form != self._form:
            raise DateError(f"{where}: {text!r} is {form}, {self._first!r} before it {self._form}; use one form")
        if zoned != self._zoned:
            raise DateError(f"{where}: {text!r} and {self._first!r} mix times with and without a zone; use one")
        return moment

    def numbered(self, kind: str | None) -> tuple[NDArray[np.int64], Periods]:
        """The number of each row's period, and the periods; ``kind`` None takes what the dates suggest.

        A time counts for the day it names, in its own zone. Dates that are all a week, a month or a year apart stand
        for weeks, months and years.
        """
        finest = _FINEST.get(self._form, "day")
        if kind is not None and KINDS.index(kind) < KINDS.index(finest):
            raise DateError(
                f"{self._file}: {self._first!r} is {self._form} and tells no {kind}; use --period {finest} or longer"
            )
        usual = _USUAL.get(self._form, "day")
        spaced = _spacing(self._moments) if kind is None and self._form.startswith("a date") else None
        chosen = kind or spaced or usual
        of = np.array([_number(moment, chosen) for moment in self._moments], np.int64)
        aligned = chosen == spaced or (chosen == finest and chosen != "hour")
        written = {int(number): text for number, text in zip(of, self._known, strict=True)} if aligned else {}
        why = f"its dates are whole {chosen}s apart" if spaced else ""
        return of[np.array(self._rows, np.int64)], Periods(chosen, written, why)


def number_of(text: str, periods: Periods, option: str) -> int:
    """The period of a date that was given with an option."""
    form = next((name for name, pattern in _FORMS.items() if pattern.fullmatch(text)), None)
    finest = _FINEST.get(form, "day") if form else "year"
    if form is None or KINDS.index(periods.kind) < KINDS.index(finest):
        raise DateError(f"{option} {text!r} names no {periods.kind}; write it as the file writes its dates")
    try:
        return _number(_parse(text, form), periods.kind)
    except ValueError as error:
        raise DateError(f"{option} {text!r} is no date: {error}") from error


def _parse(text: str, form: str) -> datetime:
    if form == "a year":
        return datetime(int(text), 1, 1)
    if form == "a month":
        return datetime(int(text[:4]), int(text[5:]), 1)
    if form == "a date with slashes":
        return datetime(*(int(part) for part in text.split("/")))  # type: ignore[arg-type]  # three numbers
    return datetime.fromisoformat(text)


_NUMBERS: dict[str, Callable[[datetime], int]] = {
    "hour": lambda moment: moment.toordinal() * 24 + moment.hour,
    "day": lambda moment: moment.toordinal(),
    "week": lambda moment: (moment.toordinal() - 1) // 7,  # day 1 was a Monday
    "month": lambda moment: moment.year * 12 + moment.month - 1,
    "year": lambda moment: moment.year,
}


def _number(moment: datetime, kind: str) -> int:
    return _NUMBERS[kind](moment)


def _name(number: int, kind: str) -> str:
    if kind == "hour":
        return f"{date.fromordinal(number // 24).isoformat()}T{number % 24:02d}:00"
    if kind == "day":
        return date.fromordinal(number).isoformat()
    if kind == "week":
        return date.fromordinal(number * 7 + 1).isoformat()
    return f"{number // 12:04d}-{number % 12 + 1:02d}" if kind == "month" else f"{number:04d}"


def _spacing(moments: list[datetime]) -> str | None:
    """Whether the dates are all one day of the year, of the month, or of the week."""
    if len(moments) < SEVERAL:
        return None
    if len({(moment.month, moment.day) for moment in moments}) == 1:
        return "year"
    if len({moment.day for moment in moments}) == 1:
        return "month"
    weekly = len(moments) >= WEEKS and len({moment.weekday() for moment in moments}) == 1
    return "week" if weekly else None
