"""What was recorded on the scenes of live: the same wall and desk, with a clock that people turn."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from dash import html

from config.scenes import Scene
from wall.components.data import data
from wall.scenes import desk, wall
from wall.words import Language, word

PATH = "/replay"
_SCENE = re.compile(r"(/replay/[^/]+)/(wall|desk)(?:/[^/]*)?")
SPEEDS = (0.1, 1, 10, 60, 300, 3600)


def scene(path: str) -> str:
    """Which live scene a replay's address shows, "wall" or "desk"; empty for other addresses."""
    match = _SCENE.fullmatch(path)
    return match[2] if match else ""


def layout(path: str, title: str, lang: Language, packs: Sequence[Scene] = ()) -> Any:
    """The live scene with the session's bar below it; everything is asked for below the session's address."""
    match = _SCENE.fullmatch(path)
    assert match is not None  # ``scene`` has looked
    root = wall.layout(title, lang, packs) if match[2] == "wall" else desk.layout(title, lang)
    root.className += " replaying"
    root.children = [*root.children, _bar(match[1], lang)]
    setattr(root, "data-base", match[1])
    return root


def _bar(base: str, lang: Language) -> Any:
    """The clock's hands, the slider, and where to."""
    speeds = [html.Option(f"{speed:g}×", value=f"{speed:g}") for speed in SPEEDS]
    pages = [html.A(word(f"head.{name}", lang), href=f"{base}/{name}") for name in ("wall", "desk")]
    return html.Section(
        [
            html.B(word("replay.mark", lang), className="sign"),
            html.Div(
                [
                    _button("previous", lang),
                    _button("back", lang),
                    _button("play", lang),
                    _button("step", lang),
                    _button("next", lang),
                    _button("loop", lang),
                    html.Select(speeds, title=word("replay.speed", lang), className="speed"),
                ],
                className="hands",
            ),
            html.Div([html.Div(className="slider"), html.P(className="ends")], className="track"),
            html.Output(className="moment"),
            html.Nav(pages),
            html.P(className="notice", role="status", **data(gone=word("replay.gone", lang))),
        ],
        className="replay-bar",
        **data(part="replay"),
    )


def _button(do: str, lang: Language) -> Any:
    said = word(f"replay.{do}", lang)
    about: dict[str, Any] = {"aria-label": said, **data(do=do)}
    return html.Button(title=said, **about)
