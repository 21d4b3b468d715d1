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
    ("Home End", "help.ends"),
    ("/", "help.search"),
    ("F", "help.filter"),
    ("A", "help.ack"),
    ("Z", "help.undo"),
    ("C", "help.comment"),
    ("S", "help.shelve"),
    ("I", "help.take"),
    ("N", "help.next"),
    ("P", "help.plan"),
    ("L", "help.launch"),
    ("T", "help.tick"),
    ("U", "help.units"),
    ("M", "help.merge"),
    ("H", "help.handover"),
    ("X", "help.sound"),
    ("?", "help.help"),
)


def layout(title: str, lang: Language) -> Any:
    """Queue on the left, the chosen alert and its incident in the middle, the map on the right."""
    return html.Main(
        [
            header(title, lang, tools=True),
            panel("queue", "panel.queue", lang, options={"desk": "1"}),
            panel("watch", "panel.watch", lang, options={"desk": "1"}),
            panel("detail", "panel.detail", lang),
            citymap("core", "panel.map", lang, hands=True),
            html.Div(**data(part="desk")),
            _help(lang),
        ],
        className="desk",
        **data(scene="desk"),
    )


def _help(lang: Language) -> Any:
    named: dict[str, Any] = {"aria-labelledby": "help-title"}
    rows = [html.Tr([html.Td(html.Kbd(keys)), html.Td(word(key, lang))]) for keys, key in KEYS]
    return html.Dialog(
        [
            html.H2(word("help.title", lang), id="help-title"),
            html.Table(html.Tbody(rows)),
            html.Button(word("help.close", lang), className="close"),
        ],
        id="help",
        **named,
    )
