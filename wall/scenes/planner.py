"""The planner's page at 1080p: rules and budget, packs, silences, roster, register, dead letters, audit, forecasts."""

from __future__ import annotations

from typing import Any

from dash import html

from wall.components.data import data
from wall.words import Language, word

PATH = "/planner"


def layout(title: str, lang: Language) -> Any:
    """The tabs on the left, the chosen one beside them; ``assets/js/planner`` fills both."""
    names: dict[str, Any] = {"role": "tablist", "aria-label": word("plan.nav", lang)}
    return html.Main(
        [
            html.Header(
                [
                    html.H1([title, html.Small(word("plan.title", lang))]),
                    html.P(className="alarm", role="status"),
                    html.Nav(_links(lang), className="tools"),
                ],
                className="head",
            ),
            html.Nav(className="names", **names),
            html.Div(html.P(word("state.loading", lang), className="tab-note"), className="sheets"),
        ],
        className="planner",
        **data(scene="planner", state="loading"),
    )


def _links(lang: Language) -> list[Any]:
    other = "en" if lang == "zh" else "zh"
    return [
        html.Span(className="user"),
        html.A(word("head.wall", lang), href="/wall"),
        html.A(word("head.desk", lang), href="/desk"),
        html.A(word("head.lang", lang), href=f"?lang={other}", lang=other),
        html.Form(html.Button(word("head.logout", lang), type="submit"), action="/logout", method="post"),
    ]
