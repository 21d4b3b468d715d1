"""The live map: stacked canvases drawn by ``assets/js/map.mjs``."""

from __future__ import annotations

from typing import Any

from dash import html

from wall.components.data import data
from wall.words import Language, word


def citymap(
    view: str,
    title: str,
    lang: Language,
    *,
    inset: bool = False,
    hands: bool = False,
    pack: str = "",
    beside: bool = False,
) -> Any:
    """A map of ``view`` ("core" or "whole"); ``inset`` adds the whole city small, ``hands`` panning and zooming.

    ``beside``: a second map, shown on wide walls alone. ``pack``: only that pack's heat, alerts, zones and units are
    drawn ("~reporting": who reports and who is silent).
    """
    about = data(part="map", view=view, state="loading", hands=str(int(hands)), pack=pack)
    children = [
        html.Div(html.H2(word(title, lang)), className="map-title"),
        html.Div(className="layers"),
        _inset(lang) if inset else None,
        html.Div(className="legend"),
        html.Span(className="badge"),
        html.P(word("state.loading", lang), className="note"),
    ]
    return html.Section(children, className="panel map beside" if beside else "panel map", **about)


def _inset(lang: Language) -> Any:
    return html.Div(
        [html.Span(word("panel.whole", lang), className="map-title"), html.Div(className="layers")], className="inset"
    )
