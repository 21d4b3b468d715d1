"""``citybrain score``: every file gets scores or one clear line."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from citybrain.commands.score import ScoreError, run


def write(folder: Path, text: str, name: str = "in.csv") -> Path:
    """A file with ``text``."""
    path = folder / name
    path.write_text(text)
    return path


def scored(file: Path, **options: str) -> list[dict[str, str]]:
    """The rows that come out."""
    out = file.with_name("out.csv")
    assert run(file, output=out, **options) == 0
    with out.open() as lines:
        return list(csv.DictReader(lines))


def hours(count: int, value: str = "{n}") -> str:
    """A header and ``count`` rows, one a minute."""
    rows = [
        f"2026-01-{1 + n // 1440:02d} {n // 60 % 24:02d}:{n % 60:02d}:00,{value.format(n=n % 60)}" for n in range(count)
    ]
    return "timestamp,value\n" + "\n".join(rows) + "\n"


def test_columns_come_out_as_promised(tmp_path: Path) -> None:
    """timestamp and value as they were, a score from 0 to 1 and an alert that is 0 or 1."""
    rows = scored(write(tmp_path, hours(2000) + "2026-01-02 09:20:00,900\n"))
    assert list(rows[0]) == ["timestamp", "value", "score", "alert"]
    assert (rows[0]["timestamp"], rows[0]["value"]) == ("2026-01-01 00:00:00", "0")
    assert all(0 <= float(row["score"]) <= 1 and row["alert"] in "01" for row in rows)
    assert rows[-1]["alert"] == "1"


def test_a_prefix_of_the_file_gets_the_same_scores(tmp_path: Path) -> None:
    """The scores of the first rows do not depend on what follows, not even an extreme value."""
    short = scored(write(tmp_path, hours(700)))
    long = scored(write(tmp_path, hours(700) + hours(300, "9{n}").partition("\n")[2]))
    assert long[:700] == short


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("timestamp,value\n", "no rows"),
        ("when,value\n1,2\n", r"no column 'timestamp'.*--time"),
        ("timestamp,count\n1,2\n", r"no column 'value'.*--value"),
        ("timestamp,value\nyesterday,2\n", r"line 2: time 'yesterday'"),
        ("timestamp,value\n1,two\n", r"line 2: value 'two' is not a number"),
        ("timestamp,value\n2026-01-01,1\n2026-01-01T00:00:00+08:00,1\n", "mix times with and without a zone"),
        ("timestamp,value\n1\n", "line 2 has 1 columns"),
        ("timestamp,value\n1e30,1\n", "out of range"),
    ],
)
def test_a_bad_file_is_refused_in_words(tmp_path: Path, text: str, words: str) -> None:
    """What cannot be used is refused naming the line and the remedy, and nothing is left behind."""
    file = write(tmp_path, text)
    with pytest.raises(ScoreError, match=words):
        run(file, output=tmp_path / "out.csv")
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    """A missing file and a binary one are named."""
    with pytest.raises(ScoreError, match="cannot be read"):
        run(tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"timestamp,value\n\xff\xfe,1\n")
    with pytest.raises(ScoreError, match="not UTF-8"):
        run(tmp_path / "b.csv", output=tmp_path / "out.csv")
    with pytest.raises(ScoreError, match="name another"):
        run(tmp_path / "b.csv", output=tmp_path / "b.csv")


@pytest.mark.parametrize(
    "text",
    [
        "timestamp,value\n2026-01-01,5\n",
        "timestamp,value\n" + "2026-01-01,5\n" * 50,
        "timestamp,value\n" + "1700000000,\n" * 5,
        "timestamp,value\n2,1e308\n1,-1e308\n1,NaN\n3,inf\n",
        "timestamp,value\n2026-01-01T00:00:00Z,1\n2026-01-01T08:00:00+08:00,1\n",
    ],
)
def test_odd_files_are_scored_without_alerts(tmp_path: Path, text: str) -> None:
    """One row, a constant, gaps alone, huge values, times that go back or repeat: a row for each, no alert."""
    rows = scored(write(tmp_path, text))
    assert len(rows) == text.count("\n") - 1
    assert {row["alert"] for row in rows} == {"0"}
    assert all((row["score"] == "") == (row["value"].lower() in ("", "nan", "inf")) for row in rows)


def test_other_columns_can_be_named(tmp_path: Path) -> None:
    """--time and --value name the columns, wherever they stand."""
    rows = scored(write(tmp_path, "x,count,when\na,3,2026-01-01\n"), time="when", value="count")
    assert rows == [{"timestamp": "2026-01-01", "value": "3", "score": "0.000000", "alert": "0"}]
