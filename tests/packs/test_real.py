"""What the packs tell of real data: the figures of docs/packs, as far as they come in seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import cap, crowds, storms

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="needs the shared data")


def test_anzac_day_in_melbourne_is_found() -> None:
    """The dawn service, the march and the match of 25 April, and Easter Monday's match; no day in between has any."""
    some = (
        "Birrarung",
        "St Kilda Rd",
        "Town Hall",
        "Little Collins",
        "New Quay",
        "Southern Cross",
        "Melbourne Central",
    )
    told = crowds.melbourne("2025-04-26", some)["alerts"]
    found = {(one["told"], one["place"]) for one in told}
    assert found >= {
        ("2025-04-21 14:00", "Birrarung Marr – COM Pole 1109"),
        ("2025-04-25 05:00", "St Kilda Rd-Alexandra Gardens"),
        ("2025-04-25 08:00", "Town Hall (West)"),
        ("2025-04-25 14:00", "Birrarung Marr – COM Pole 1109"),
    }
    assert {one["rule"] for one in told} == {"CounterSurge"}
    assert {one["told"][:10] for one in told} <= {"2025-04-19", "2025-04-21", "2025-04-25"}


def test_gothenburgs_storm_is_told_where_its_cells_crossed() -> None:
    """Four alerts in the two hours of the storm, nothing in the other twenty-two."""
    told = [(one["rule"], one["at"][11:], one["over"][11:]) for one in storms.gothenburg()["alerts"]]
    assert told == [
        ("Cloudburst", "01:52", "02:08"),
        ("HeavyRain", "01:54", "02:30"),
        ("HeavyRain", "09:41", "10:12"),
        ("HeavyRain", "09:49", "10:36"),
    ]


def test_each_real_warning_becomes_the_alert_of_its_colour() -> None:
    """Eight messages of eight services, one alert each, and the places inside are told."""
    rows = [row for path in sorted(cap.DATA.glob("*.xml")) for row in cap.played(path)]
    told = [row["alerts"][0].removesuffix("Warning") for row in rows if "alerts" in row]
    assert sorted(told) == ["Blue", "Orange", *["Yellow"] * 6]
    assert sum(row.get("told", 0) for row in rows) == 16 + 51 + 20 + 453 + 135
