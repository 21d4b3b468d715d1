"""What a city's walls show and when, ``wall.yaml``: playlists with dwell times, and which alerts claim the screen."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from config.duty_files import DutyError, own_or_common, read
from models.takeover import Claim
from models.values import Kind, Severity

FILE = "wall.yaml"
FIXED = ("overview", "sources", "quality")  # scenes there always are; the others are packs
PACKS = "packs"  # stands for every live pack
DWELL_S = (5.0, 3600.0)


class Turn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One turn of a playlist: a scene and for how long, s."""

    scene: str
    dwell_s: float


class _Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    severity: Severity = "Extreme"
    kind: Kind = "event"
    packs: tuple[str, ...] = ()
    when: Literal["automatic", "confirmed"] = "automatic"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    playlist: Annotated[tuple[Turn, ...], msgspec.Meta(min_length=1)]
    takeover: tuple[_Claim, ...] = ()
    displays: dict[str, Annotated[tuple[Turn, ...], msgspec.Meta(min_length=1)]] = {}
    reload_hour: Annotated[int, msgspec.Meta(ge=0, le=23)] = 4


class Program(msgspec.Struct, frozen=True):
    """The walls of one city: ``displays`` have a playlist of their own, the others ``playlist``."""

    playlist: tuple[Turn, ...]
    displays: dict[str, tuple[Turn, ...]]
    takeover: tuple[Claim, ...]
    reload_hour: int  # local: the hour in which a wall loads itself anew, out of alarm

    def of(self, display: str) -> tuple[Turn, ...]:
        """The playlist of a display."""
        return self.displays.get(display, self.playlist)


def load(folder: Path, packs: Collection[str]) -> Program:
    """The program of the city pack in ``folder``, or the common one; ``packs`` are the live ones, in their order.

    Raises ``DutyError`` naming file, key, value and remedy.
    """
    path = own_or_common(folder, FILE)
    declared = read(path, _File)
    claims = tuple(
        Claim(severity=one.severity, kind=one.kind, packs=one.packs, confirmed=one.when == "confirmed")
        for one in declared.takeover
    )
    for number, claim in enumerate(claims):
        for name in claim.packs:
            _one_of(name, packs, f"{path}: takeover[{number}].packs")
    return Program(
        playlist=_turns(declared.playlist, packs, f"{path}: playlist"),
        displays={name: _turns(turns, packs, f"{path}: displays.{name}") for name, turns in declared.displays.items()},
        takeover=claims,
        reload_hour=declared.reload_hour,
    )


def _turns(turns: tuple[Turn, ...], packs: Collection[str], where: str) -> tuple[Turn, ...]:
    """The turns with ``packs`` spelled out."""
    out: list[Turn] = []
    for number, turn in enumerate(turns):
        low, high = DWELL_S
        if not low <= turn.dwell_s <= high:
            raise DutyError(f"{where}[{number}].dwell_s: {turn.dwell_s:g} is not between {low:g} and {high:g} s")
        if turn.scene == PACKS:
            out += [Turn(name, turn.dwell_s) for name in packs]
        else:
            _one_of(turn.scene, (*FIXED, *packs), f"{where}[{number}].scene")
            out.append(turn)
    return tuple(out)


def _one_of(name: str, known: Collection[str], where: str) -> None:
    if name not in known:
        raise DutyError(f"{where}: {name!r} is none; use one of {', '.join(known)}")
