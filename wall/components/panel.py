"""A panel: a title, a body that one part of ``assets/js`` fills, and a note for its states.

``data-part`` names the part; ``data-state`` is "loading", "empty", "ok", "stale" or "disconnected", set by it.
"""

from __future__ import annotations

from typing import Any

from dash import html

from wall.components.data import data
from wall.words import Language, word


def panel(
    part: str,
    title: str,
    lang: Language,
    *,
    sub: str = "",
    options: dict[str, str] | None = None,
    content: Any = None,
) -> Any:
    """A panel drawn by ``part``; ``title`` and ``sub`` are keys of words, ``options`` become data attributes.

    One with ``content`` is written already and only follows the health of the data.
    """
    return html.Section(
        [
            html.Header(
                [
                    html.H2(word(title, lang)),
                    html.Span(word(sub, lang) if sub else "", className="sub"),
                    html.Div(className="aside"),
                    html.Span(className="badge"),
                ]
            ),
            html.Div(content, className="body"),
            html.P(word("state.loading", lang), className="note"),
        ],
        className=f"panel {part}",
        **data(part=part, state="loading", **(options or {})),
    )
