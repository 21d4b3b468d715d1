"""The simulated weather office and the gale that it warns of."""

from __future__ import annotations

import numpy as np

from config.register import Register
from models.values import Warning
from sensors.codecs.base import Envelope
from sensors.codecs.cap import CODEC
from sensors.simulate.bulletins import bulletins
from sensors.simulate.chengdu import City
from sensors.simulate.incidents import Sites, demo
from sensors.simulate.places import Places
from tests.simulate.rig import GATEWAYS, MINUTE, START_MS, S, rows_of, without_incidents


def test_a_gale_is_warned_of_once_when_it_begins(found: Places) -> None:
    """What the door reads: an orange warning in both languages around the town, in force as long as the gale."""
    timetable = demo(found, 1, START_MS, GATEWAYS)
    gale = next(one for one in timetable.fixed if one.kind == "gale")
    spans = [(START_MS + k * 2 * S, START_MS + (k + 1) * 2 * S) for k in range(60)]
    said = [body for span in spans for body in bulletins(timetable, "Asia/Shanghai", *span)]
    assert len(said) == 1
    (warning,) = CODEC.decode(said[0], Envelope(now=START_MS, source="office")).values
    assert isinstance(warning, Warning)
    assert (warning.status, warning.message, warning.severity, warning.colour) == (
        "Actual",
        "Alert",
        "Severe",
        "orange",
    )
    assert (warning.event.en, warning.event.zh) == ("Gale", "大风")
    assert (warning.onset, warning.expires) == (gale.start_ms, gale.end_ms)
    ((lon, lat, metres),) = warning.areas[0].circles
    assert (round(lon, 4), round(lat, 4), metres) == (round(gale.lon, 4), round(gale.lat, 4), gale.radius_m + 2_000)


def test_masts_measure_the_gale_and_those_elsewhere_do_not(city: City, register: Register, found: Places) -> None:
    """Wind alone is moved, at the masts near the town, within the ramp."""
    gale = Sites(found, GATEWAYS).incident("gale", "510105", START_MS)
    blown, calm = without_incidents(city, gale), without_incidents(city)
    rows = np.arange(len(register))
    at = START_MS + 3 * MINUTE
    moved = np.flatnonzero(blown.values(rows, at) != calm.values(rows, at))
    assert set(moved) == set(np.flatnonzero(blown.reach(gale)))
    assert set(moved) <= set(rows_of(register, "wind_speed"))
    assert blown.values(moved, at).max() > 20
    assert blown.values(moved, START_MS).max() < 10
