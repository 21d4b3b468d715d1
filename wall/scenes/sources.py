"""Source health: every gateway with what it sends, how late, how whole; faults of sensors; where the city is blind."""

from __future__ import annotations

from typing import Any

from dash import html

from wall.components.citymap import citymap
from wall.components.panel import panel
from wall.components.scene import scene
from wall.words import Language

NAME = "sources"


def body(lang: Language) -> Any:
    """The sources as a table, the faults as a list, the map of what reports."""
    return scene(
        NAME,
        [
            panel("sourcetable", "panel.sources", lang),
            citymap("whole", "panel.reporting", lang, pack="~reporting"),
            html.Div(
                [
                    panel("vitals", "panel.intake", lang, options={"only": "~online ~rate ~late ~detections"}),
                    panel("faults", "panel.faults", lang),
                ],
                className="column right",
            ),
        ],
    )
