"""Names of sources matched to a register, also on Melbourne's real ones."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from config.names import LIKELY, likeness, matched

MELBOURNE = Path(__file__).parents[3] / "shared" / "data" / "melbourne-pedestrians"


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("Town Hall (West)", "exact"),
        ("town hall - west", "spelling"),
        ("Collins Street (North)", "spelling"),
        ("West Town Hall", "order"),
        ("Town Hall", "doubtful"),
        ("Collins St (South)", "none"),
        ("Somewhere else", "none"),
        ("", "none"),
    ],
)
def test_a_name_is_found_as_people_would(name: str, how: str) -> None:
    """Case, punctuation, abbreviations and moved suffixes do not matter; another direction does."""
    (match,) = matched([name], ["Town Hall (West)", "Collins St (North)", "Webb Bridge"])
    assert match.how == how
    assert (match.row is not None) == (how in ("exact", "spelling", "order"))


def test_two_names_that_claim_one_row_are_both_for_a_person() -> None:
    """Unless one of them is the text itself."""
    assert [m.how for m in matched(["Webb bridge", "WEBB BRIDGE"], ["Webb Bridge"])] == ["doubtful", "doubtful"]
    assert [m.how for m in matched(["Webb Bridge", "WEBB BRIDGE"], ["Webb Bridge"])] == ["exact", "doubtful"]


def test_another_number_is_another_thing() -> None:
    """However alike the rest is."""
    assert likeness("514 Elizabeth St", "516 Elizabeth Street") == 0.0
    assert likeness("514 Elizabeth St", "514 Elizebeth Street") > LIKELY


@pytest.mark.skipif(not MELBOURNE.is_dir(), reason="needs Melbourne's counts")
def test_melbournes_series_find_their_sensors() -> None:
    """No certain match is wrong; what is doubtful has the right sensor among its candidates where names tell it."""
    counts = pl.concat(
        pl.read_csv(path, infer_schema_length=0) for path in sorted(MELBOURNE.glob("counts_2025-0[45].csv.gz"))
    )
    series = counts.select("sensor_description", "location_id").unique().sort("sensor_description")
    register = pl.read_csv(MELBOURNE / "sensor_locations.csv", infer_schema_length=0)
    ids, known = register["location_id"].to_list(), register["sensor_description"].to_list()
    wrong, tally, near = [], {"exact": 0, "certain": 0, "doubtful": 0, "none": 0}, 0
    for match, truth in zip(matched(series["sensor_description"].to_list(), known), series["location_id"], strict=True):
        how = match.how if match.how in tally else "certain"
        tally[how] += 1
        if match.row is not None and truth is not None and ids[match.row] != truth:
            wrong.append((match.name, match.candidates[0].name))
        near += match.how == "doubtful" and truth in [ids[one.row] for one in match.candidates]
    assert wrong == []
    assert (series.height, tally["exact"]) == (106, 59)
    assert tally["certain"] >= 8
    assert near >= 10
