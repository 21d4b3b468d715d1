"""The numbers of the packs' scenes: figures, stages and weather from what the datastreams, alerts and units say now.

Pure: arrays and rows in, rows of the board out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from config.scenes import Figure, Scene
from models.takeover import STANDING
from wall.view import Row, number

Float32 = NDArray[np.float32]
# what the header says of the weather, by the datastream's property: (name of the row, how it is taken)
WEATHER = {
    "rainfall": ("rain", "max"),
    "temperature": ("temperature", "mean"),
    "air_temperature": ("temperature", "mean"),
    "wind_speed": ("wind", "max"),
}


@dataclass(frozen=True)
class Now:
    """What is true now: ``value`` of each property's reporting datastreams (n,), and rows of the rest."""

    value: Mapping[str, Float32]
    alerts: Sequence[Row]
    units: Sequence[Row]
    told: Mapping[str, Row]


def figures(scenes: Iterable[Scene], now: Now) -> dict[str, Row]:
    """{"<pack>/<number>": {"value", "level"}} of every declared figure; ``level`` 1 to 4 where it is a matter."""
    return {
        f"{scene.pack}/{place}": _figure(scene, figure, now)
        for scene in scenes
        for place, figure in enumerate(scene.figures)
    }


def stages(scenes: Iterable[Scene], now: Now) -> dict[str, Row]:
    """{pack: {"n": [datastreams below the first step, in each step …]}} of the scenes that declare stages."""
    out = {}
    for scene in scenes:
        if scene.stages is not None:
            starts = np.array([step.start for step in scene.stages.steps])
            value = now.value.get(scene.stages.property, np.zeros(0, np.float32))
            place = np.searchsorted(starts, value, side="right")
            out[scene.pack] = {"n": np.bincount(place, minlength=len(starts) + 1).tolist()}
    return out


def figure_of(scene: Scene, name: str, value: Mapping[str, Float32]) -> float | int | None:
    """One number for a property over the city: taken as the scene's first figure of it is, else the highest."""
    declared = [one for one in scene.figures if one.property == name and one.of != "count"]
    return _taken(
        declared[0] if declared else Figure(property=name, of="max"), value.get(name, np.zeros(0, np.float32))
    )


def weather(value: Mapping[str, Float32]) -> dict[str, Row]:
    """{"now": {"rain" mm/h, "temperature" °C, "wind" m/s}} of what is measured; empty where nothing is."""
    row: Row = {}
    for name, (key, how) in WEATHER.items():
        known = value.get(name, np.zeros(0, np.float32))
        if len(known):
            row[key] = number(round(float(known.max() if how == "max" else known.mean()), 1))
    return {"now": row} if row else {}


def told(rows: Mapping[bytes, bytes], now: int, limit_s: int) -> dict[str, Row]:
    """What agents wrote for scenes by "<pack>/<name>", without what is older than ``limit_s``; ``now`` in ms."""
    read = {key.decode(): msgspec.json.decode(data) for key, data in rows.items()}
    return {key: row for key, row in read.items() if now - int(row.get("at", 0)) <= limit_s * 1000}


def _figure(scene: Scene, figure: Figure, now: Now) -> Row:
    if figure.alerts:
        return _alerts(scene.pack, figure, now.alerts)
    if figure.units:
        return {"value": sum(_counts(figure, unit) for unit in now.units), "level": None}
    if figure.told:
        row = now.told.get(f"{scene.pack}/{figure.told}", {})
        return {"value": number(row.get("value")), "level": row.get("severity")}
    return {"value": _taken(figure, now.value.get(figure.property, np.zeros(0, np.float32))), "level": None}


def _alerts(pack: str, figure: Figure, alerts: Sequence[Row]) -> Row:
    levels = [
        row["level"]
        for row in alerts
        if row["pack"] == pack and row["rule"] in figure.alerts and row["state"] in STANDING
    ]
    return {"value": len(levels), "level": min(levels, default=None)}


def _counts(figure: Figure, unit: Row) -> bool:
    return unit["kind"] in figure.units and (not figure.status or unit["status"] in figure.status)


def _taken(figure: Figure, value: Float32) -> float | int | None:
    if figure.of == "count":
        return len(value)
    if figure.of == "above":
        return int((value >= np.float32(figure.line or 0.0)).sum())
    if not len(value):
        return None
    take: dict[str, Callable[[NDArray[np.float64]], Any]] = {
        "sum": np.sum,
        "mean": np.mean,
        "max": np.max,
        "min": np.min,
    }
    return number(float(take[figure.of](value.astype(np.float64))))
