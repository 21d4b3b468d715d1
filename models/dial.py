"""The dial of the alert budget: an order turns it, the room keeps it, the city judges by it."""

from __future__ import annotations

import math

from models.budget import MOST_AN_HOUR
from models.orders import Refused
from models.partials import Turn
from models.values import Order

ITEM = "budget/alerts"  # the dial among the room's items


def obey(order: Order) -> Turn:
    """The turn that ``order`` asks for: do ``set`` with args ``per_hour``, alerts an hour; raises ``Refused``."""
    if order.do != "set":
        raise Refused(f"the budget cannot {order.do!r}; it can be set", "invalid")
    asked = order.args.get("per_hour")
    if isinstance(asked, bool) or not isinstance(asked, int | float) or not math.isfinite(asked):
        raise Refused(f"per_hour is {asked!r}; give a number of alerts an hour", "invalid")
    if not 0 <= asked <= MOST_AN_HOUR:
        raise Refused(f"per_hour is {asked:g}; give 0 to {MOST_AN_HOUR:g} alerts an hour", "invalid")
    return Turn(per_hour=float(asked), by=order.by, at=order.at, order=order.id)
