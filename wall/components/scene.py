"""A scene of the wall: one of the pages that share its header; ``assets/js/stage.mjs`` shows one at a time."""

from __future__ import annotations

from typing import Any

from dash import html

from wall.components.data import data


def scene(name: str, children: list[Any], kind: str = "", pack: str = "") -> Any:
    """The scene ``name`` of some ``kind`` ("" its own), hidden until it is its turn; ``pack`` where it is of one."""
    about = data(name=name, **({"pack": pack} if pack else {}))
    return html.Section(children, className=f"scene at-{kind or name}", **about)
