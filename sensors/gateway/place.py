"""What a city brings to its gateway besides the register."""

from __future__ import annotations

from dataclasses import dataclass

from config.registrar import Registrar
from config.services import Service


@dataclass(frozen=True, slots=True)
class Place:
    """``zone`` is the time zone of times that come without one, ``services`` are what citizens may ask of the city,
    ``fleet`` holds the ids of its units (None: positions of any are taken), ``registrar`` changes the register (None:
    nobody can over HTTP)."""

    zone: str = "UTC"
    services: tuple[Service, ...] = ()
    fleet: frozenset[str] | None = None
    registrar: Registrar | None = None


NOWHERE = Place()
