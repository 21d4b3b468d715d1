"""Warnings in force as the pack's scene shows them: how many places were told, have confirmed, do not answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models.escalation import COLOUR
from models.values import SEVERITIES, Text
from models.warnings import Raised

PACK = "weather-warning"
CAP_LEVEL = {severity: number + 1 for number, severity in enumerate(SEVERITIES)}


def figures(raised: Sequence[Raised]) -> dict[str, dict[str, Any]]:
    """The numbers of the scene by name (config/contract.py ``figures``), over the warnings in force."""
    live = _live(raised)
    places, confirmed = sum(one.places for one in live), sum(one.confirmed for one in live)
    escalated = sum(one.escalated for one in live)
    rows = {"places": places, "confirmed": confirmed, "silent": places - confirmed, "escalated": escalated}
    levels = {"silent": 3 if places > confirmed else 0, "escalated": 2 if escalated else 0}
    return {
        name: {"value": value, "unit": "1"} | ({"severity": levels[name]} if levels.get(name) else {})
        for name, value in rows.items()
    }


def tables(raised: Sequence[Raised]) -> dict[str, dict[str, Any]]:
    """The table of the scene by name (config/contract.py ``tables``): the gravest warnings first."""
    columns = [
        Text(en="Warning", zh="预警"), Text(en="Colour", zh="颜色"), Text(en="Places", zh="场所"),
        Text(en="Confirmed", zh="已确认"), Text(en="Escalated", zh="已升级"),
    ]  # fmt: skip
    order = sorted(_live(raised), key=lambda one: (CAP_LEVEL[one.warning.severity], -one.at))
    rows = [
        [one.warning.headline, COLOUR[one.warning.severity], one.places, one.confirmed, one.escalated] for one in order
    ]
    return {"warnings": {"columns": columns, "rows": rows}}


def _live(raised: Sequence[Raised]) -> list[Raised]:
    return [one for one in raised if one.state == "active"]
