"""Which emergencies claim the wall: red alerts by rule, or by a person's word, until a person or their end lets go.

An emergency is an incident, or an alert that belongs to none. Two are shown side by side; the others are named by
their number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from models.values import SEVERITIES, Alert, Incident, Kind, Severity

SHOWN = 2
OVER = ("resolved", "closed")
STANDING = ("unacknowledged", "acknowledged", "returned-unacknowledged")


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One rule: alerts of this severity (or graver) and kind, of these packs (none: all)."""

    severity: Severity = "Extreme"
    kind: Kind = "event"
    packs: tuple[str, ...] = ()
    confirmed: bool = False  # only when somebody acknowledged or confirmed it


class Emergency(msgspec.Struct, frozen=True, kw_only=True):
    """What claims the wall: an incident, or an alert without one, since when (ms), with its gravest alert."""

    id: str
    alert: str
    incident: str
    severity: Severity
    since: int


def emergencies(
    alerts: Iterable[Alert], incidents: Mapping[str, Incident], rules: Iterable[Claim]
) -> tuple[Emergency, ...]:
    """All that claim the wall, the gravest first, then the oldest, so that what stands on the wall stays there."""
    wanted = tuple(rules)
    found = {key: _given(it) for key, it in incidents.items() if it.wall == "on" and it.state not in OVER}
    for alert in alerts:
        incident = incidents.get(alert.incident)
        if alert.state not in STANDING or not _claims(alert, incident, wanted):
            continue
        key = incident.id if incident else alert.id
        one = Emergency(
            id=key,
            alert=alert.id,
            incident=incident.id if incident else "",
            severity=alert.severity,
            since=alert.opened,
        )
        if key not in found or _rank(one) < _rank(found[key]):
            found[key] = one
    return tuple(sorted(found.values(), key=_rank))


def matches(alert: Alert, rule: Claim) -> bool:
    """Whether the rule lets this alert claim the wall."""
    it = alert.detection
    return (
        SEVERITIES.index(alert.severity) <= SEVERITIES.index(rule.severity)
        and it.kind == rule.kind
        and (not rule.packs or it.pack in rule.packs)
        and (not rule.confirmed or bool(alert.acknowledged_by or alert.confirmed_by))
    )


def _claims(alert: Alert, incident: Incident | None, rules: tuple[Claim, ...]) -> bool:
    """A person's word comes before the rules; an alert that opened after the wall was given back claims it again."""
    if incident is not None and incident.state in OVER:
        return False
    if incident is not None and incident.wall == "on":
        return True
    if incident is not None and incident.wall == "off" and alert.opened <= incident.wall_at:
        return False
    return any(matches(alert, rule) for rule in rules)


def _given(incident: Incident) -> Emergency:
    """What a person gave the wall, even when all its alerts are over."""
    alert = incident.alerts[-1] if incident.alerts else ""
    return Emergency(
        id=incident.id, alert=alert, incident=incident.id, severity=incident.severity, since=incident.opened
    )


def _rank(one: Emergency) -> tuple[int, int, str]:
    return SEVERITIES.index(one.severity), one.since, one.id
