"""The peer of the wall: its cameras and alerts in the way Dash's manual has it, dcc.Interval and plotly's scattermap.

``python -m bench.plain_dash PORT FOLDER REDIS`` serves it. It is kept kind to itself: places travel once, each tick
brings a byte of level a camera and the alerts as a patch.
"""

from __future__ import annotations

import base64
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from dash import Dash, Input, Output, Patch, dcc, html
from fastapi import FastAPI
from redis import Redis

from config import contract
from config import register as registers
from config.settings import Settings
from models.values import SEVERITIES, Alert, from_json
from wall import levels

COLOURS = ("#ff4d4f", "#ff9a2e", "#f2d14b", "#7fa8d6")
EMPTY = {
    "version": 8,
    "sources": {},
    "layers": [{"id": "b", "type": "background", "paint": {"background-color": "#000"}}],
}


def packed(values: np.ndarray[Any, Any]) -> dict[str, str]:
    """An array as plotly takes it in binary."""
    kind = {"uint8": "u1", "float32": "f4"}[values.dtype.name]
    return {"dtype": kind, "bdata": base64.b64encode(values.tobytes()).decode()}


def create(folder: Path, url: str, city: str = "chengdu") -> Dash:
    """The page."""
    register = registers.load(Settings.model_validate({"data": folder, "city": city}).register)
    redis = Redis.from_url(url)
    lon, lat = (register.frame[name].to_numpy().astype("f4") for name in ("lon", "lat"))
    scale = levels.unknown(1)
    kind = np.zeros(len(register), np.uint8)

    def now() -> tuple[dict[str, str], dict[str, Any], dict[str, float]]:
        nonlocal scale
        value = np.full(len(register), np.nan, np.float32)
        for shard in range(register.shards):
            data: Any = redis.get(contract.values(city, shard))
            value[register.members(shard)] = np.frombuffer(data, "<f4")
        scale = scale.grown(value, kind)
        level = np.nan_to_num(scale.places(value, kind)).astype(np.uint8)
        rows: Any = redis.hvals(contract.alerts(city))
        alerts = [from_json(row, Alert) for row in rows]
        told = {
            "lon": [one.detection.lon for one in alerts],
            "lat": [one.detection.lat for one in alerts],
            "text": [one.detection.headline.zh for one in alerts],
            "colour": [COLOURS[SEVERITIES.index(one.severity)] for one in alerts],
        }
        newest = max((one.detection.value or 0.0 for one in alerts), default=0.0)
        return packed(level), told, {"number": newest, "at": time.time() * 1000}

    app = Dash(__name__, server=FastAPI(), serve_locally=True)  # type: ignore[arg-type]  # documented as a server
    app.layout = html.Div(
        [dcc.Graph(id="map", style={"width": "100vw", "height": "100vh"}), dcc.Interval(id="tick", interval=1000)]
    )

    @app.callback(Output("map", "figure"), Input("tick", "n_intervals"))
    def figure(ticks: int | None) -> Any:
        level, alerts, meta = now()
        if ticks:
            patch = Patch()
            patch["data"][0]["marker"]["color"] = level
            patch["data"][1].update(
                {
                    "lon": alerts["lon"],
                    "lat": alerts["lat"],
                    "text": alerts["text"],
                    "marker": {"size": 14, "color": alerts["colour"]},
                }
            )
            patch["layout"]["meta"] = meta
            return patch
        cameras = {"type": "scattermap", "lon": packed(lon), "lat": packed(lat),
                   "marker": {"size": 4, "color": level, "cmin": 0, "cmax": 15}}  # fmt: skip
        signs = {"type": "scattermap", "lon": alerts["lon"], "lat": alerts["lat"], "text": alerts["text"],
                 "marker": {"size": 14, "color": alerts["colour"]}}  # fmt: skip
        centre = {"lon": float(lon.mean()), "lat": float(lat.mean())}
        layout = {
            "map": {"style": EMPTY, "center": centre, "zoom": 9},
            "uirevision": 1,
            "meta": meta,
            "showlegend": False,
        }
        return {"data": [cameras, signs], "layout": layout}

    return app


def main() -> None:
    """Serve until ended."""
    port, folder, url = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    app = create(folder, url)
    uvicorn.run(app.server, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main()
