"""Saved views of the queue: each person's filters by name, kept on the server so that every seat has them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import msgspec

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
Word = Annotated[str, msgspec.Meta(max_length=128)]
MOST = 20  # views a person
FILE = "views.json"


class Filter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the queue shows; an empty list lets everything through. ``levels`` are 1 (Extreme) to 4 (Minor)."""

    shows: Literal["open", "all", "faults"] = "open"
    levels: Annotated[list[Annotated[int, msgspec.Meta(ge=1, le=4)]], msgspec.Meta(max_length=4)] = []
    packs: Annotated[list[Word], msgspec.Meta(max_length=50)] = []
    districts: Annotated[list[Word], msgspec.Meta(max_length=100)] = []
    states: Annotated[list[Word], msgspec.Meta(max_length=10)] = []
    mine: bool = False
    text: Word = ""


class View(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One saved view; the body of POST /views."""

    name: Name
    filter: Filter


class Forgotten(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /views/delete."""

    name: Name


class TooMany(ValueError):
    """A person has as many views as are kept."""


class Views:
    """The views of all people in the file ``views.json`` of ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def of(self, user: str) -> list[View]:
        """The views of one person, in the order they were made."""
        return self._all().get(user, [])

    def keep(self, user: str, view: View) -> list[View]:
        """The person's views with this one, in place of one of the same name; raises ``TooMany``."""
        known = self._all()
        mine = known.get(user, [])
        same = [place for place, one in enumerate(mine) if one.name == view.name]
        if same:
            mine = [*mine[: same[0]], view, *mine[same[0] + 1 :]]
        elif len(mine) >= MOST:
            raise TooMany(f"{user} has {len(mine)} views, and {MOST} are kept; delete one first")
        else:
            mine = [*mine, view]
        self._write({**known, user: mine})
        return mine

    def forget(self, user: str, name: str) -> list[View]:
        """The person's views without the one of this name."""
        known = self._all()
        mine = [one for one in known.get(user, []) if one.name != name]
        self._write({**known, user: mine})
        return mine

    def _all(self) -> dict[str, list[View]]:
        return msgspec.json.decode(self._path.read_bytes(), type=dict[str, list[View]]) if self._path.exists() else {}

    def _write(self, known: dict[str, list[View]]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(".part")
        with part.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(known)))
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._path)
