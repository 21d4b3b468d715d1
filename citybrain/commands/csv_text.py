"""What the first line of a CSV shows: what parts its columns, and whether it is text as it is read here."""

from __future__ import annotations

DELIMITERS = ",;\t|"  # of the columns; the header shows which
NUL = "\0"
REMEDY = "remove it; where the file is UTF-16, save it as UTF-8"


def delimiter(header: str) -> str:
    """What parts the columns: the first of ``DELIMITERS`` that the header has, a comma where it has none."""
    return next((mark for mark in DELIMITERS if mark in header), ",")
