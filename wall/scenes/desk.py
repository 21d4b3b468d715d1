"""The dispatcher's console at 1080p: the queue, one alert in full, the map, and acknowledging."""

from __future__ import annotations

from typing import Any

from dash import html

from wall.components.citymap import citymap
from wall.components.data import data
from wall.components.header import header
from wall.components.panel import panel
from wall.words import Language, word

PATH = "/desk"
KEYS = (
    ("J K", "help.move"),
    ("A", "help.ack"),
    ("C", "help.comment"),
    ("F", "help.filter"),
    ("I", "help.take"),
    ("N", "help.next"),
    ("T", "help.tick"),
    ("L", "help.launch"),
    ("?", "help.help"),
)


def layout(title: str, lang: Language) -> Any:
    """Queue on the left, the chosen alert in the middle, the map on the right."""
    return html.Main(
        [
            header(title, lang, tools=True),
            panel("queue", "panel.queue", lang, options={"desk": "1"}),
            panel("watch", "panel.watch", lang, options={"desk": "1"}),
            panel("detail", "panel.detail", lang),
            citymap("core", "panel.map", lang, hands=True),
            _help(lang),
        ],
        className="desk",
        **data(scene="desk"),
    )


def _help(lang: Language) -> Any:
    rows = [html.Tr([html.Td(html.Kbd(keys)), html.Td(word(key, lang))]) for keys, key in KEYS]
    return html.Dialog(
        [
            html.H2(word("help.title", lang)),
            html.Table(html.Tbody(rows)),
            html.Button(word("help.close", lang), className="close"),
        ],
        id="help",
    )
