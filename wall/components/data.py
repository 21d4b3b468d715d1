"""Data attributes: how a component tells ``assets/js`` what to draw in it."""

from __future__ import annotations

from typing import Any


def data(**values: str) -> dict[str, Any]:
    """``data-…`` attributes for a Dash component, as keyword arguments."""
    return {f"data-{name}": value for name, value in values.items()}
