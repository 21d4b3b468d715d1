"""A pack's own scene, drawn from what the pack declares: figures, stages, trends, map, places, alerts, units."""

from __future__ import annotations

from typing import Any

from dash import html

from config.scenes import Scene
from wall.components.citymap import citymap
from wall.components.panel import panel
from wall.components.scene import scene
from wall.view import text
from wall.words import Language


def body(declared: Scene, lang: Language) -> Any:
    """The scene of one pack; panels that it declares nothing for are left out."""
    about = {"pack": declared.pack}
    has_table = bool(declared.table.property or declared.table.told)
    table = panel("table", "panel.table", lang, options=about) if has_table else None
    trends = panel("trends", "panel.trends", lang, options=about) if declared.trend else None
    runbook = _runbook(declared, lang) if declared.runbook else None
    beside = trends or table or runbook  # the figures leave room for one of them
    left = [
        panel("figures", "panel.figures", lang, options=about),
        beside,
        panel("stages", "panel.stages", lang, options=about) if declared.stages else None,
    ]
    right = [
        table if table is not beside else None,
        panel("alertlist", "panel.alerts", lang, options=about),
        panel("units", "panel.units", lang, options=about) if declared.units else None,
        runbook if runbook is not beside else None,
    ]
    return scene(
        declared.pack,
        [
            html.H2(text(declared.title)[lang], className="scene-title"),
            html.Div([part for part in left if part], className="column left"),
            *_maps(declared, lang),
            html.Div([part for part in right if part], className="column right"),
        ],
        kind="pack",
        pack=declared.pack,
    )


def _maps(declared: Scene, lang: Language) -> list[Any]:
    """The map that the pack asks for, with the whole city small in it; wide walls have both views side by side."""
    views = ["whole", "core"] if declared.view == "whole" else ["core", "whole"]
    return [
        citymap(view, f"panel.{view}", lang, pack=declared.pack, inset=view == "core", beside=place > 0)
        for place, view in enumerate(views)
    ]


def _runbook(declared: Scene, lang: Language) -> Any:
    lines = [html.Li(text(line)[lang]) for line in declared.runbook]
    return panel("runbook", "panel.runbook", lang, content=html.Ol(lines))
