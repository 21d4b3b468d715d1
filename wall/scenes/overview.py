"""The whole city at a glance: vitals, trends, maps, queue, sources, places, seats, the last hour."""

from __future__ import annotations

from typing import Any

from dash import html

from wall.components.citymap import citymap
from wall.components.panel import panel
from wall.components.scene import scene
from wall.words import Language

NAME = "overview"


def body(lang: Language) -> Any:
    """Three columns at 16:9, five with two maps from 5:2 on; assets/wall.css decides."""
    left = [panel("vitals", "panel.vitals", lang), panel("trends", "panel.trends", lang)]
    right = [
        panel("sources", "panel.sources", lang),
        panel("zones", "panel.zones", lang, sub="zones.legend"),
        panel("seats", "panel.seats", lang),
    ]
    return scene(
        NAME,
        [
            html.Div(left, className="column left"),
            citymap("whole", "panel.whole", lang),
            citymap("core", "panel.core", lang, inset=True),
            html.Div(
                [panel("queue", "panel.queue", lang), panel("watch", "panel.watch", lang)],
                className="column queue-column",
            ),
            html.Div(right, className="column right"),
            panel("minutes", "panel.minutes", lang, sub="panel.minutes.sub"),
        ],
    )
