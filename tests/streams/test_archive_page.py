"""docs/archive.md: its columns are those of the files, and its questions are answered."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from config.register import COLUMNS
from models.values import Detection, Text, to_json
from streams.archive import MESSAGES_SCHEMA, READINGS_SCHEMA, Message, MessagesWriter, ReadingsWriter
from tests.streams.test_archive import START, layout, readings

PAGE = (Path(__file__).parents[2] / "docs" / "archive.md").read_text("utf-8")
QUERIES = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def city(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of a small city, as the current folder."""
    kinds: dict[str, list[Any]] = {name: [None] * 5 for name in COLUMNS}
    kinds |= {"property": ["people"] * 3 + ["water_level", "people"], "district": ["w", "w", "e", "e", "e"]}
    pl.DataFrame(kinds, schema=COLUMNS).write_parquet(tmp_path / "register.parquet")
    folder = tmp_path / "archive" / "readings"
    folder.mkdir(parents=True)
    writer = ReadingsWriter(folder, layout())
    writer.take(0, readings((1, 0, 10.0), (1, 60_000, 20.0), (3, 0, 1.0), source="fast", accepted=START + 61_000))
    writer.take(1, readings((4, 3_600_000, 7.0), source="slow", accepted=START + 3_900_000))
    writer.flush()
    detected = MessagesWriter(tmp_path / "archive" / "detections", 0)
    for offset, state in enumerate(("firing", "cleared")):
        detected.take(Message(offset, START, "x", to_json(detection(state)).decode()))
    detected.flush()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def detection(state: str) -> Detection:
    """A detection of the first camera."""
    text = Text("Too many people", "人太多")
    return Detection(
        id="x", pack="p", rule="r", place="a", place_kind="asset", place_name=text, lon=104.0, lat=30.6, district="w",
        state="firing" if state == "firing" else "cleared", severity="Severe", onset=START, time=START, value=1.0,
        expected=None, score=None, unit="1", headline=text,
    )  # fmt: skip


def ask(query: str) -> list[tuple[Any, ...]]:
    """What DuckDB answers."""
    with duckdb.connect() as connection:
        return connection.execute(query).fetchall()


def test_people_by_district_and_hour(city: Path) -> None:
    """The first question counts cameras alone, by their district."""
    answer = ask(QUERIES[0])
    assert [(district, people, n) for district, _, people, n in answer] == [("e", 7.0, 1), ("w", 15.0, 2)]
    assert [hour.timestamp() * 1_000 for _, hour, _, _ in answer] == [START + 3_600_000, START]


def test_which_gateways_send_late(city: Path) -> None:
    """The second question has the slow one first."""
    answer = ask(QUERIES[1])
    assert [(source, n) for source, n, _ in answer] == [("slow", 1), ("fast", 3)]
    assert answer[0][2] == 300.0


def test_what_was_detected(city: Path) -> None:
    """The third question reads the JSON of detections."""
    ((when, severity, headline),) = ask(QUERIES[2])
    assert (severity, headline) == ("Severe", "Too many people")
    assert when == datetime(2026, 9, 22)  # UTC, as DuckDB gives it


def test_every_column_is_on_the_page() -> None:
    """The two tables have the columns of the files, in their order, and there are three questions."""
    tables = [
        [line.split("|")[1].strip().strip("`") for line in table.splitlines()[2:]]
        for table in re.findall(r"(?:^\|.*\|\n)+", PAGE, re.MULTILINE)
        if table.startswith("| column |")
    ]
    assert tables == [READINGS_SCHEMA.names, MESSAGES_SCHEMA.names]
    assert len(QUERIES) == 3
