"""Scenes: one page of the product, or one turn of the wall, a file; ``layout`` and ``body`` hold no data."""

from __future__ import annotations

from types import ModuleType

from wall.scenes import desk, planner, replay, wall

SCENES: dict[str, ModuleType] = {scene.PATH: scene for scene in (wall, desk, planner)}


def at(path: str) -> ModuleType | None:
    """The page at ``path``; the wall has an address for each of its scenes, /wall/<scene>."""
    if replay.scene(path):
        return replay
    return SCENES.get(path) or (wall if path.startswith(f"{wall.PATH}/") else None)
