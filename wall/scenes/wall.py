"""The big screen: one header, and scenes that take turns under it without the page being loaded again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import html

from config.scenes import Scene
from wall.components.data import data
from wall.components.header import header
from wall.scenes import overview, pack, quality, sources, takeover
from wall.words import Language

PATH = "/wall"


def layout(title: str, lang: Language, packs: Sequence[Scene] = ()) -> Any:
    """All scenes of the wall, each hidden until the playlist, the address or an emergency calls for it."""
    scenes = [
        overview.body(lang),
        *(pack.body(declared, lang) for declared in packs),
        sources.body(lang),
        quality.body(lang),
        takeover.body(lang),
    ]
    return html.Main(
        [header(title, lang, tools=False), html.Div(scenes, className="stage")],
        className="wall",
        **data(scene="wall"),
    )
