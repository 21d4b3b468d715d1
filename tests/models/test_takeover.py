"""Who claims the wall, who gives it back, and who stands first."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from models import incidents
from models.orders import Refused
from models.takeover import Claim, emergencies
from models.values import Alert, Detection, Incident, Order, Severity, Text

RED = Claim()
KNOWN = Claim(severity="Severe", confirmed=True)


def alert(name: str, severity: Severity = "Extreme", opened: int = 1_000, incident: str = "") -> Alert:
    detection = Detection(
        id=name, pack="flood", rule="PondingClosure", place="gauge-1", place_kind="asset", place_name=Text("A", "甲"),
        lon=104.0, lat=30.6, district="d", state="firing", severity=severity, onset=0, time=0, value=0.4, expected=None,
        score=None, unit="m", headline=Text("Close the road", "封闭道路"),
    )  # fmt: skip
    return Alert(
        id=name,
        detection=detection,
        state="unacknowledged",
        severity=severity,
        opened=opened,
        deadline=9_000,
        incident=incident,
    )


def case(one: Alert) -> Incident:
    return incidents.opened(one, one.opened)


def order(do: str) -> Order:
    return Order(id=f"o-{do}", about="incident", subject="i", do=do, by="chen", at=0)


def test_a_red_alert_claims_the_wall_at_once() -> None:
    """Nobody has to do anything, and an orange one does not claim it."""
    found = emergencies([alert("a"), alert("b", "Severe")], {}, [RED])
    assert [(one.id, one.alert, one.severity) for one in found] == [("a", "a", "Extreme")]


def test_a_rule_may_wait_for_a_dispatcher() -> None:
    """Where the city says confirmed, an alert claims the wall once somebody has acknowledged it."""
    asked = alert("a", "Severe")
    assert emergencies([asked], {}, [KNOWN]) == ()
    held = replace(asked, state="acknowledged", acknowledged_by="chen")
    assert [one.id for one in emergencies([held], {}, [KNOWN])] == ["a"]


def test_a_rule_of_some_packs_leaves_the_others_out() -> None:
    """A flood does not claim the wall by a rule about crowds."""
    assert emergencies([alert("a")], {}, [Claim(packs=("holiday-crowd",))]) == ()


def test_sensors_never_claim_the_wall_by_a_rule_about_events() -> None:
    """A fault is no emergency, however grave."""
    fault = alert("a")
    fault = replace(fault, detection=replace(fault.detection, kind="data-quality"))
    assert emergencies([fault], {}, [RED]) == ()


def test_an_incident_claims_once_however_many_red_alerts_it_has() -> None:
    """Its oldest red alert says since when."""
    it = case(alert("a"))
    alerts = [alert("b", opened=3_000, incident=it.id), alert("a", opened=1_000, incident=it.id)]
    found = emergencies(alerts, {it.id: it}, [RED])
    assert [(one.id, one.since) for one in found] == [(it.id, 1_000)]


def test_the_oldest_stands_first_so_that_nothing_changes_place() -> None:
    """A newer emergency of the same severity stands behind, the third is counted."""
    found = emergencies([alert("c", opened=3), alert("a", opened=1), alert("b", opened=2)], {}, [RED])
    assert [one.id for one in found] == ["a", "b", "c"]


def test_a_person_gives_the_wall_back_until_something_new_happens() -> None:
    """Taken off, it stays off; a red alert that opens later claims the wall again."""
    first = alert("a", opened=1_000)
    it = case(first)
    first = replace(first, incident=it.id)
    off = incidents.obey(it, order("wall-off"), 2_000)
    assert (off.wall, off.timeline[-1].action, off.timeline[-1].by) == ("off", "wall-off", "chen")
    assert emergencies([first], {it.id: off}, [RED]) == ()
    later = alert("b", opened=2_500, incident=it.id)
    assert [one.id for one in emergencies([first, later], {it.id: off}, [RED])] == [it.id]


def test_a_person_gives_the_wall_to_an_incident_of_any_severity() -> None:
    """It stands there though no rule asks for it, until it is taken off, resolved or closed."""
    small = alert("a", "Minor")
    it = incidents.obey(case(small), order("wall-on"), 2_000)
    assert [one.id for one in emergencies([], {it.id: it}, [RED])] == [it.id]
    assert emergencies([], {it.id: replace(it, state="resolved")}, [RED]) == ()


def test_the_wall_is_given_once() -> None:
    """A second order to put it on the wall is refused and says why."""
    it = incidents.obey(case(alert("a")), order("wall-on"), 2_000)
    with pytest.raises(Refused, match="has the wall already") as told:
        incidents.obey(it, replace(order("wall-on"), id="o-again"), 3_000)
    assert told.value.status == "conflict"


def test_what_is_over_or_hidden_does_not_stand() -> None:
    """A normal, shelved or suppressed alert gives the screen back by itself."""
    for state in ("normal", "shelved", "suppressed", "out-of-service"):
        assert emergencies([replace(alert("a"), state=state)], {}, [RED]) == ()
