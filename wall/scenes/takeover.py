"""An emergency has the screen: ``assets/js/parts/takeover.mjs`` builds it, one or two of them side by side."""

from __future__ import annotations

from typing import Any

from dash import html

from wall.components.data import data
from wall.components.scene import scene
from wall.words import Language

NAME = "takeover"


def body(lang: Language) -> Any:
    """An empty stage: what stands on it depends on the emergency."""
    del lang  # every word on it is the browser's
    about = data(part="takeover", state="loading")
    return scene(NAME, [html.Div(html.P(className="note"), className="emergencies", **about)])
