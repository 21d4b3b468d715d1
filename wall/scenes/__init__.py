"""Scenes: one page of the product a file; each has ``PATH``, and ``layout(title, lang)`` with no data in it."""

from __future__ import annotations

from types import ModuleType

from wall.scenes import desk, overview

SCENES: dict[str, ModuleType] = {scene.PATH: scene for scene in (overview, desk)}
