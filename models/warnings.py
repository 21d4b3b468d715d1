"""Warnings to places: who is told, who has confirmed, who is asked again; updates and cancellations follow.

A CAP alert reaches every registered place in its area. Each is to confirm in the time of its severity; who does not is
reminded once, then the duty room is told. An update takes the place of what it refers to: who has confirmed need not
confirm again unless it grew graver, and who is out of the area is told so. A cancellation ends it for all.

All functions are pure; models/warned.py keeps the state in the room.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
from msgspec.structs import replace

from models.escalation import COLOUR, notification_id
from models.orders import Refused
from models.places import Site
from models.values import SEVERITIES, Notification, Order, Severity, Transition, Warning

MINUTE_MS = 60_000
CONFIRM_MS: dict[Severity, int] = {
    "Extreme": 10 * MINUTE_MS,
    "Severe": 15 * MINUTE_MS,
    "Moderate": 30 * MINUTE_MS,
    "Minor": 60 * MINUTE_MS,
}
NAMED = 10  # places that a message to the duty room names; the rest is counted
Why = Literal["told", "reminder", "cancelled", "outside"]
RaisedState = Literal["active", "superseded", "cancelled", "expired", "noted"]


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a place was told of a warning, and what it answered; times are processing time."""

    place: str
    at: int
    confirmed: int | None = None
    by: str = ""
    comment: str = ""
    reminded: int | None = None
    escalated: int | None = None


class Raised(msgspec.Struct, frozen=True, kw_only=True):
    """A warning as the room holds it. ``noted``: nobody is told (a test, a draft, a message without a place)."""

    warning: Warning
    state: RaisedState
    at: int  # processing time
    places: int = 0
    confirmed: int = 0
    escalated: int = 0
    unknown_codes: tuple[str, ...] = ()
    due: int | None = None  # processing time of the next reminder or escalation
    followed_by: str = ""  # the update or cancellation that ended it
    history: tuple[Transition, ...] = ()


def raised(warning: Warning, sites: Sequence[Site], unknown: Sequence[str], now: int) -> tuple[Raised, list[Told]]:
    """The warning as it begins, and the places that are told."""
    live = warning.status in ("Actual", "Exercise") and warning.message in ("Alert", "Update")
    over = warning.expires is not None and warning.expires <= now
    told = [Told(place=site.id, at=now) for site in sites] if live and not over else []
    state: RaisedState = "expired" if live and over else "active" if live else "noted"
    comment = f"{len(told)} places" + (f"; no zone has the code {', '.join(unknown)}" if unknown else "")
    made = Raised(
        warning=warning,
        state=state,
        at=now,
        places=len(told),
        unknown_codes=tuple(unknown),
        due=now + CONFIRM_MS[warning.severity] if told else None,
        history=(Transition(at=now, was="", now=state, action=warning.message.lower(), comment=comment),),
    )
    return made, told


def carried(
    before: Raised, told: Mapping[str, Told], after: Raised, fresh: Sequence[Told]
) -> tuple[Raised, list[Told]]:
    """An update with what was confirmed before: it counts on, unless the warning grew graver."""
    if SEVERITIES.index(after.warning.severity) < SEVERITIES.index(before.warning.severity):
        return after, list(fresh)
    kept = [
        replace(one, confirmed=known.confirmed, by=known.by, comment=known.comment)
        if (known := told.get(one.place)) is not None and known.confirmed is not None
        else one
        for one in fresh
    ]
    return counted(after, kept), kept


def counted(it: Raised, told: Sequence[Told]) -> Raised:
    """The warning with its places counted anew; nothing is due once all have confirmed or were escalated."""
    confirmed = sum(one.confirmed is not None for one in told)
    escalated = sum(one.escalated is not None for one in told)
    waits = any(one.confirmed is None and one.escalated is None for one in told)
    return replace(it, confirmed=confirmed, escalated=escalated, due=it.due if waits else None)


def confirm(it: Raised, told: Told | None, order: Order, now: int) -> Told:
    """The place's confirmation; raises ``Refused`` where it was not told, has confirmed, or the warning is over."""
    place, name = str(order.args.get("place") or ""), it.warning.id
    if not place:
        raise Refused("confirm needs args.place, the id of the place that has understood the warning", "invalid")
    if told is None:
        raise Refused(f"warning {name} was not told to a place {place}", "unknown", it.state)
    if told.confirmed is not None:
        raise Refused(f"{place} has confirmed warning {name} already, by {told.by}", "conflict", it.state, told.by)
    if it.state != "active":
        followed = f" by {it.followed_by}" if it.followed_by else ""
        raise Refused(f"warning {name} is {it.state}{followed}; there is nothing to confirm", "conflict", it.state)
    return replace(told, confirmed=now, by=order.by, comment=order.comment)


def late(it: Raised, told: Sequence[Told], now: int) -> tuple[Raised, list[Told], list[Told]]:
    """At its deadline: the warning, the places to be reminded and those to be escalated, as they are then.

    A place is reminded at the first deadline after it was told, and escalated at the next.
    """
    reminded = [replace(one, reminded=now) for one in told if one.confirmed is None and one.reminded is None]
    over = [
        replace(one, escalated=now)
        for one in told
        if one.confirmed is None and one.reminded is not None and one.escalated is None
    ]
    after = replace(it, due=now + CONFIRM_MS[it.warning.severity] if reminded else None)
    if reminded:
        after = step(after, now, "reminded", f"{len(reminded)} places")
    if over:
        after = step(replace(after, escalated=after.escalated + len(over)), now, "escalated", f"{len(over)} places")
    return after, reminded, over


def ended(it: Raised, state: RaisedState, now: int, by: str = "") -> Raised:
    """The warning when it is over: superseded or cancelled by another message, or expired."""
    return step(replace(it, state=state, due=None, followed_by=by), now, state, by, was=it.state)


def step(it: Raised, now: int, action: str, comment: str, was: str = "", order: Order | None = None) -> Raised:
    """The warning with one more line in its history."""
    line = Transition(
        at=now,
        was=was or it.state,
        now=it.state,
        action=action,
        by=order.by if order else "",
        comment=comment,
        command=order.id if order else "",
    )
    return replace(it, history=(*it.history, line))


# --- what people are told ---------------------------------------------------------------------------------------


def tell(it: Warning, site: Site, why: Why, now: int) -> Notification:
    """The message to one place; the same cause always gives the same id."""
    colour = COLOUR[it.severity]
    begin = {
        "told": ("", ""),
        "reminder": ("再次提醒，请确认：", "Reminder, please confirm: "),
        "cancelled": ("解除：", "Cancelled: "),
        "outside": ("本单位已不在预警范围：", "No longer in the area: "),
    }[why]
    lines = [f"{site.name.zh} / {site.name.en} ({site.id})", " ".join((site.contact, site.phone)).strip()]
    if why in ("told", "reminder"):
        lines += [_both(it.description.zh, it.description.en), _both(it.instruction.zh, it.instruction.en)]
        lines.append(f"请确认收到 / confirm: /v1/warnings/{it.id}/confirm")
    return Notification(
        id=notification_id("warning", it.id, site.id, why),
        route=site.route,
        at=now,
        title=f"{colour.zh}：{begin[0]}{it.headline.zh} / {colour.en}: {begin[1]}{it.headline.en}",
        body="\n".join(line for line in lines if line),
        severity=it.severity,
        urgent=it.severity in ("Extreme", "Severe"),
        exercise=it.status == "Exercise",
    )


def unanswered(it: Warning, sites: Sequence[Site], route: str, user: str, now: int) -> Notification:
    """The message to the duty room about places that do not answer; the first are named with their telephone."""
    names = [f"{site.name.zh} / {site.name.en} {site.contact} {site.phone}".rstrip() for site in sites[:NAMED]]
    more = len(sites) - len(names)
    names += [f"… +{more}"] * (more > 0)
    return Notification(
        id=notification_id("warning", it.id, "unanswered", str(now), route, user),
        route=route,
        at=now,
        title=f"{len(sites)} 处未确认：{it.headline.zh} / {len(sites)} places have not confirmed: {it.headline.en}",
        body="\n".join(names),
        severity=it.severity,
        urgent=True,
        exercise=it.status == "Exercise",
    )


def _both(zh: str, en: str) -> str:
    return " / ".join(dict.fromkeys(text for text in (zh, en) if text))
