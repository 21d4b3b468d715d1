"""The header of every scene: title, operating level, data age, counts, clock, and what is wrong with the data."""

from __future__ import annotations

from typing import Any

from dash import html

from wall.components.data import data
from wall.words import Language, word

LEVELS = 5  # 常态 关注 预警 应急 危机


def header(title: str, lang: Language, *, tools: bool) -> Any:
    """The header; ``tools`` adds the links of a person's page (a wall has none)."""
    levels = [html.Li(word(f"level.{n}", lang), **data(level=str(n))) for n in range(LEVELS)]
    return html.Header(
        [
            html.H1(title),
            html.Div(
                [html.Span(word("level", lang)), html.Ol(levels, title=word("level.why", lang))], className="level"
            ),
            html.Div(className="figures"),
            html.Div(className="clock"),
            html.Nav(_tools(lang), className="tools") if tools else None,
            html.P(className="alarm", role="status"),
        ],
        className="head",
        **data(part="head"),
    )


def _tools(lang: Language) -> list[Any]:
    other = "en" if lang == "zh" else "zh"
    return [
        html.Span(className="user"),
        html.A(word("head.wall", lang), href="/wall"),
        html.A(word("head.desk", lang), href="/desk"),
        html.A(word("head.planner", lang), href="/planner"),
        html.A(word("head.lang", lang), href=f"?lang={other}", lang=other),
        html.Form(html.Button(word("head.logout", lang), type="submit"), action="/logout", method="post"),
    ]
