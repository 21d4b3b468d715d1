"""Between detection and people: one open alert a source, grouping, inhibition, silences, flood."""

from __future__ import annotations

from typing import Any

import pytest

from models import pipeline
from models.flood import ROWS
from models.grouping import Ground, Grouping
from models.incidents import LINES_A_MINUTE
from models.pipeline import Inhibition, Match
from models.room import LINGERING, Setup
from models.values import Detection
from tests.models.table import START, Table, detection, told


def nested(one: Detection) -> frozenset[str]:
    """Places of the tests: ``gate-…`` lies in the station, everything in its district and in the city."""
    inside = {"station"} if one.place.startswith("gate") else set()
    return frozenset({one.place, "city", *inside, *([one.district] if one.place != "city" else [])})


GROUND = Ground(within=nested, wide=frozenset({"d1", "d2", "d3", "city"}), cameras=lambda lon, lat: ("cam-1",))
PUMP = Inhibition(Match("flood", "PumpDown"), Match("flood", "Ponding"), "near", 1_000.0)
STUCK = Inhibition(Match(kind="data-quality"), Match("crowd", kind="event"))
SETUP = Setup(
    ground=GROUND,
    inhibitions=(PUMP, STUCK),
    groupings={"crowd": Grouping(near_m=600.0), "flood": Grouping(related=frozenset({"rain"}))},
)


# --- deduplicate --------------------------------------------------------------------------------------------------


def test_a_detection_delivered_twice_counts_once() -> None:
    """The second copy changes nothing: no step, no incident, nothing written down."""
    table = Table()
    alert = table.fires()
    again = table.room.take(alert.detection, table.now + 5_000)
    assert not again
    assert table.incident(alert).count == 1


def test_a_source_that_fires_again_keeps_one_open_alert() -> None:
    """The new occurrence takes the place of the one that waits, in the same incident."""
    table = Table()
    first = table.fires(at=0)
    table.clears(first, at=1)
    second = table.fires(at=2)
    assert (table.state(first), table.state(second)) == ("normal", "unacknowledged")
    assert table.incident(second).id == table.incident(first).id
    assert (table.incident(second).count, table.incident(second).active) == (2, 1)


def test_three_changes_in_a_minute_are_chattering() -> None:
    """Fired, cleared, fired within a minute: the alert says that its source cannot decide; two changes do not."""
    table = Table()
    first = table.fires(at=0)
    table.clears(first, at=0.4)
    assert not table.room.alerts[first.id].chattering
    assert table.fires(at=0.8).chattering
    assert not table.fires("elsewhere", at=0.9).chattering


def test_a_detection_that_comes_again_long_after_its_alert_closed_opens_nothing() -> None:
    """A replay of old detections finds its alerts closed, also those that have left the memory."""
    table = Table()
    alert = table.fires(at=0)
    table.clears(alert, at=1)
    table.command(alert.id, "acknowledge")
    table.until(20)
    assert alert.id not in table.room.alerts
    assert not table.room.take(alert.detection, table.now)
    answer = table.command(alert.id, "comment")
    assert (answer.status, answer.state) == ("conflict", "normal")


# --- group --------------------------------------------------------------------------------------------------------


def test_a_surge_of_a_place_its_district_and_its_neighbour_is_one_incident() -> None:
    """Venue, the district around it, and another venue of that district five kilometres off: one thing, owned once."""
    table = Table(SETUP)
    venue = table.fires("bridge", at=0)
    neighbour = table.fires("square", at=1, km=5.0)
    assert len(table.open()) == 2
    district = table.fires("d1", at=2)
    (incident,) = table.open()
    assert incident.alerts == (neighbour.id, venue.id, district.id)
    assert told(incident) == ["opened", "merged", "alert-joined"]
    later = table.fires("tower", at=3, km=9.0)
    assert table.incident(later).id == incident.id


def test_places_near_each_other_or_in_one_zone_group_and_others_do_not() -> None:
    """Six hundred metres count as near; two gates of a station are one place however long it is; a district is not."""
    table = Table(SETUP)
    one = table.fires("a", km=0.0)
    assert table.incident(table.fires("b", km=0.5)).id == table.incident(one).id
    assert table.incident(table.fires("c", km=1.7)).id != table.incident(one).id
    gate = table.fires("gate-1", km=8.0)
    assert table.incident(table.fires("gate-2", km=9.5)).id == table.incident(gate).id
    assert table.incident(table.fires("far", district="d2")).id not in {table.incident(one).id, table.incident(gate).id}


def test_an_incident_does_not_creep_from_place_to_place() -> None:
    """A chain of alerts each near the last one is not one incident without end."""
    table = Table(SETUP)
    first, *_, last = [table.fires(f"p{k}", km=0.5 * k) for k in range(8)]
    assert table.incident(last).id != table.incident(first).id


def test_packs_group_only_where_that_is_declared() -> None:
    """Rain and standing water are one thing here, a crowd at the same corner is another."""
    table = Table(SETUP)
    water = table.fires("u1", pack="flood", rule="Ponding")
    assert table.incident(table.fires("u1", pack="rain", rule="Rain")).id == table.incident(water).id
    assert table.incident(table.fires("u1")).id != table.incident(water).id


def test_time_keeps_alerts_apart() -> None:
    """What comes half an hour after the last alert of an incident that is over is another incident."""
    table = Table(SETUP)
    first = table.fires(at=0)
    table.order("assign", first.incident)
    table.clears(first, at=1)
    assert table.state(first) == "normal"
    assert table.fires("b", at=29).incident == first.incident
    assert table.fires("c", at=90).incident == first.incident  # for its alert of minute 29 lasts
    other = Table(SETUP)
    first = other.fires(at=0)
    other.order("assign", first.incident)
    other.clears(first, at=1)
    assert other.fires("b", at=32).incident != first.incident


def test_an_exercise_never_joins_a_real_incident() -> None:
    """A drill's alert at the same place opens an incident of its own, marked as exercise."""
    table = Table(SETUP)
    real = table.fires()
    drill = table.fires(exercise=True, rule="drilled")
    assert table.incident(drill).id != table.incident(real).id
    assert table.incident(drill).exercise


def test_data_quality_groups_by_source_and_opens_no_emergency() -> None:
    """Sensors of one gateway are one incident of kind data-quality, apart from what happens in the city."""
    table = Table(SETUP)
    event = table.fires("a")
    quality = [table.fires(f"s{k}", rule="Stuck", kind="data-quality", labels={"source": "gw-3"}) for k in range(4)]
    incidents = {table.incident(one).id for one in quality}
    assert len(incidents) == 1
    assert table.incident(quality[0]).kind == "data-quality"
    assert table.incident(event).id not in incidents


# --- inhibit ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cause_first", [True, False])
def test_a_pump_that_is_down_explains_the_water_around_it(cause_first: bool) -> None:
    """The warning is suppressed by design, whichever came first; beyond the pump's reach it is not."""
    table = Table(SETUP)
    fired = {
        "pump": lambda: table.fires("pump-1", pack="flood", rule="PumpDown"),
        "water": lambda: table.fires("u1", pack="flood", rule="Ponding", km=0.7),
    }
    order = ("pump", "water") if cause_first else ("water", "pump")
    alerts = {name: fired[name]() for name in order}
    cause, ponding = alerts["pump"], alerts["water"]
    far = table.fires("u2", pack="flood", rule="Ponding", km=3.0)
    hidden = table.room.alerts[ponding.id]
    assert (hidden.state, hidden.hidden_by) == ("suppressed", f"alert/{cause.id}")
    assert table.state(far) == "unacknowledged"
    assert table.incident(ponding).id == table.incident(cause).id
    table.clears(cause, at=5)
    assert (table.state(ponding), table.room.alerts[ponding.id].hidden_by) == ("unacknowledged", "")


def test_a_stuck_sensor_inhibits_its_own_anomalies_alone() -> None:
    """Its event is suppressed, that of the sensor beside it is not."""
    table = Table(SETUP)
    table.fires("cam-1", rule="Stuck", kind="data-quality")
    assert table.state(table.fires("cam-1")) == "suppressed"
    assert table.state(table.fires("cam-2")) == "unacknowledged"


def test_what_is_explained_does_not_raise_the_incident_of_its_cause() -> None:
    """A suppressed alert joins the incident of what explains it and leaves its severity and title."""
    setup = Setup(inhibitions=(Inhibition(Match("a", "Cause"), Match("a", "Effect")),))
    table = Table(setup)
    cause = table.fires("p", pack="a", rule="Cause", severity="Minor")
    effect = table.fires("p", pack="a", rule="Effect", severity="Extreme")
    assert table.incident(effect).id == table.incident(cause).id
    assert (table.incident(cause).severity, table.incident(cause).title) == ("Minor", cause.detection.headline)


def test_a_cause_that_was_taken_out_of_service_explains_nothing() -> None:
    """What is out of service is not believed, so what it hid is shown."""
    table = Table(SETUP)
    cause = table.fires("pump-1", pack="flood", rule="PumpDown")
    ponding = table.fires("u1", pack="flood", rule="Ponding", km=0.5)
    table.command(cause.id, "remove-from-service")
    assert table.state(ponding) == "unacknowledged"


# --- silence ------------------------------------------------------------------------------------------------------


def test_a_silence_hides_what_fits_for_its_time() -> None:
    """Open and new alerts that fit are suppressed, stored all the same, and come back with an incident at its end."""
    table = Table(SETUP)
    before = table.fires("bridge", at=0)
    until = START + 30 * 60_000
    answer = table.order("add", about="silence", comment="marathon", place="bridge", until=until)
    assert (answer.status, answer.state) == ("done", "active")
    new = table.fires("bridge", at=5, rule="dangerous")
    other = table.fires("square", at=5, km=9)
    assert [table.state(one) for one in (before, new, other)] == ["suppressed", "suppressed", "unacknowledged"]
    assert table.room.alerts[new.id].incident == ""
    table.until(31)
    assert [table.state(one) for one in (before, new)] == ["unacknowledged"] * 2
    assert table.incident(new).id == table.incident(before).id


def test_a_silence_is_ended_by_hand_once() -> None:
    """Ending it shows what it hid; the second who ends it is told by whom it was."""
    table = Table(SETUP)
    key = table.order("add", about="silence", comment="works", pack="crowd", until=START + 3_600_000).alert
    alert = table.fires(at=1)
    assert table.order("end", key, about="silence", by="wang").status == "done"
    assert table.state(alert) == "unacknowledged"
    again = table.order("end", key, about="silence")
    assert (again.status, again.by) == ("conflict", "wang")


@pytest.mark.parametrize(
    ("args", "comment", "why"),
    [
        ({"until": START + 60_000}, "x", "without matchers"),
        ({"pack": "crowd", "until": START + 60_000}, "", "needs a comment"),
        ({"pack": "crowd"}, "x", "until: None is no time"),
        ({"pack": "crowd", "until": START - 1}, "x", "outside"),
        ({"pack": "crowd", "until": START + 8 * 86_400_000}, "x", "at most 7 days"),
        ({"colour": "red", "until": START + 60_000}, "x", "colour is no part"),
    ],
)
def test_a_silence_that_is_amiss_is_invalid(args: dict[str, Any], comment: str, why: str) -> None:
    """The answer names the field, the value and the limit."""
    answer = Table().order("add", about="silence", comment=comment, **args)
    assert answer.status == "invalid"
    assert why in answer.message


# --- flood --------------------------------------------------------------------------------------------------------


def test_ten_alerts_in_ten_minutes_are_a_flood_until_there_are_few() -> None:
    """The tenth alert makes it one; it is over once the last ten minutes had fewer than five."""
    table = Table(SETUP)
    for k in range(9):
        table.fires(f"p{k}", at=k / 10, km=3.0 * k)
    assert not table.room.flooded().flood
    table.fires("p9", at=1, km=27)
    flooded = table.room.flooded()
    assert (flooded.flood, flooded.seats, flooded.since) == (True, {"desk": 10}, START + 60_000)
    table.until(10)
    assert table.room.flooded().flood
    table.until(11.1)
    assert not table.room.flooded().flood


def test_a_flood_of_5000_a_minute_leaves_ten_rows_and_loses_none() -> None:
    """Five minutes of 5,000 detections from 21 districts: every alert is stored, ten incidents at most are opened."""
    table = Table(SETUP)
    sources = [(f"s{k}", f"d{k % 21}", 1.5 * (k // 21)) for k in range(500)]
    fired = []
    for beat in range(25):
        for state in ("firing", "cleared"):
            for place, district, km in sources:
                one = detection(place, beat / 5, district=district, km=km, state=state)
                fired += [one.id] * (state == "firing")
                table.note(table.room.take(one, table.now))
            table.until(beat / 5 + (0.1 if state == "firing" else 0.2))
    assert len(fired) == len(set(fired)) == 12_500
    assert set(table.said.alerts) >= set(fired)
    assert len(table.room.incidents) <= ROWS
    assert table.room.flooded().flood
    assert len(table.room.alerts) <= len(sources) + LINGERING
    assert sum(one.count for one in table.open()) == 12_500
    assert max(len(one.timeline) for one in table.open()) <= 6 * (LINES_A_MINUTE + 1) + 1  # for people to read


def test_sources_name_what_is_open() -> None:
    """An alert that was closed is the source's no longer, and an older one's closing does not take the newer away."""
    table = Table()
    sources = pipeline.Sources()
    alert = table.fires()
    sources.note(alert)
    assert sources.before(detection("bridge", 9)) == alert.id
    assert sources.before(alert.detection) == ""
