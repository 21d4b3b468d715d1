"""Detectors: one a file, vectorised over datastreams; a detector is added by adding a file."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, cast

from models.detectors.base import CHANNELS, SEASONS, BadParameter, BadState, Detector, Neighbourly, Scores, State

__all__ = [
    "CHANNELS",
    "SEASONS",
    "BadParameter",
    "BadState",
    "Detector",
    "Neighbourly",
    "Scores",
    "State",
    "get",
    "known",
]


@cache
def known() -> dict[str, type[Any]]:
    """The register: every detector's class by its name, found in this folder's files."""
    found: dict[str, type[Any]] = {}
    for entry in sorted(pkgutil.iter_modules(__path__), key=lambda entry: entry.name):
        module = importlib.import_module(f"{__name__}.{entry.name}")
        for thing in vars(module).values():
            own = isinstance(thing, type) and thing.__module__ == module.__name__ and hasattr(thing, "restore")
            if own and is_dataclass(thing):  # the protocol itself is no dataclass
                found[str(vars(thing)["name"])] = cast(type[Any], thing)
    return found


def get(name: str, parameters: Mapping[str, Any] | None = None) -> Detector:
    """The detector ``name`` with ``parameters``; raises ``BadParameter`` naming what is known."""
    kinds = known()
    if name not in kinds:
        raise BadParameter(f"detector {name!r} is unknown; known are {sorted(kinds)}")
    names = [field.name for field in fields(kinds[name])]
    for parameter in parameters or {}:
        if parameter not in names:
            raise BadParameter(f"detector {name} has no parameter {parameter!r}; it has {names}")
    detector: Detector = kinds[name](**(parameters or {}))
    return detector
