"""Alarm quality: whether the alarms serve those who answer them, after ISA-18.2 and EEMUA 191."""

from __future__ import annotations

from typing import Any

from dash import html

from wall.components.panel import panel
from wall.components.scene import scene
from wall.words import Language

NAME = "quality"


def body(lang: Language) -> Any:
    """Load and floods, the seats, how soon people answer, the spread over severities, and the worst rules."""
    left = [panel("load", "panel.load", lang), panel("seats", "panel.seats", lang)]
    middle = [panel("answers", "panel.answers", lang), panel("priorities", "panel.priorities", lang)]
    right = [panel("actors", "panel.actors", lang), panel("nuisance", "panel.nuisance", lang)]
    return scene(
        NAME,
        [
            html.Div(left, className="column left"),
            html.Div(middle, className="column middle"),
            html.Div(right, className="column right"),
            panel("minutes", "panel.minutes", lang, sub="panel.minutes.sub"),
        ],
    )
