"""``citybrain score``: every file gets scores or one clear line."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


@settings(max_examples=25, deadline=None)
@given(
    values=st.lists(st.one_of(st.floats(), st.integers(-9, 9)), min_size=2, max_size=60),
    cut=st.floats(0.01, 0.99),
    chunk=st.integers(1, 30),
)
def test_any_prefix_of_any_file_gets_the_same_scores(values: list[float], cut: float, chunk: int) -> None:
    """Whatever the values and however many rows are read at once, the first rows' lines are those of the prefix."""
    lines = ["timestamp,value", *(f"{3600 * n},{value}" for n, value in enumerate(values))]
    count = 1 + max(1, int(cut * len(values)))
    with TemporaryDirectory() as folder:
        whole = scored(write(Path(folder), "\n".join(lines) + "\n"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("citybrain.commands.score.CHUNK", chunk)
            prefix = scored(write(Path(folder), "\n".join(lines[:count]) + "\n"))
    assert prefix == whole[: count - 1]


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
        ("timestamp,value\nnan,1\n", "out of range"),
        ("timestamp,value\n,1\n", "line 2: time ''"),
        ("timestamp,value,value\n1,2,3\n", r"2 columns 'value'.*--value"),
        ("timestamp,value\n1,1_000\n", "'1_000' is not a number"),
        ("timestamp;value\n1;1,5\n", "'1,5' is not a number"),
        ("\ntimestamp,value\n1,2\n", "begins with an empty line"),
        ("timestamp,value\n1,2\n2," + "1" * 10_000_000 + "\n", "after line 2 is not CSV: field larger"),
        ("x" * 10_000_000, "after line 0 is not CSV: field larger"),
        ("timestamp,value\n" + "y" * 1000 + ",1\n", r"time 'y{40}…'"),
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
    (tmp_path / "wide.csv").write_bytes("timestamp,value\n1,2\n".encode("utf-16"))
    with pytest.raises(ScoreError, match="save it as UTF-8"):
        run(tmp_path / "wide.csv")
    (tmp_path / "wide.csv").write_bytes("timestamp,value\n1,2\n".encode("utf-16-le"))
    with pytest.raises(
        ScoreError, match="line 1 has a NUL character; remove it; where the file is UTF-16, save it as UTF"
    ):
        run(tmp_path / "wide.csv")
    with pytest.raises(ScoreError, match="cannot be read: Is a directory"):
        run(tmp_path)


def test_the_file_that_is_read_is_never_written(tmp_path: Path) -> None:
    """Neither under another name of it, nor as the draft of the output."""
    file = write(tmp_path, hours(5), "x.csv.part")
    (tmp_path / "link.csv").symlink_to(file)
    os.link(file, tmp_path / "hard.csv")
    for name in ("link.csv", "hard.csv", "x.csv"):
        with pytest.raises(ScoreError, match="name another"):
            run(file, output=tmp_path / name)
    assert file.read_text() == hours(5)


def test_an_output_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A directory, a folder that is not there, a file taken for a folder."""
    file = write(tmp_path, hours(5))
    for output in (tmp_path, tmp_path / "none" / "out.csv", file / "out.csv"):
        with pytest.raises(ScoreError, match="cannot be written"):
            run(file, output=output)
    assert list(tmp_path.iterdir()) == [file]


def test_a_pipe_as_output_gets_the_rows_and_stays(tmp_path: Path) -> None:
    """What is not a plain file, such as a named pipe or a device, is written to and not replaced."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert run(write(tmp_path, hours(5)), output=pipe) == 0
        assert os.read(reader, 10_000).count(b"\n") == 6
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_a_reader_that_stops_early_is_no_traceback(tmp_path: Path) -> None:
    """``citybrain score big.csv | head -1`` ends without a word."""
    file = write(tmp_path, hours(30_000))
    command = [sys.executable, "-m", "citybrain", "score", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"timestamp,value,score,alert\n"
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


@pytest.mark.parametrize(
    ("change", "encoding"),
    [
        (lambda text: text, "utf-8-sig"),
        (lambda text: text.replace("\n", "\r\n"), "utf-8"),
        (lambda text: text.replace(",", ";"), "utf-8"),
        (lambda text: text.replace(",", "\t"), "utf-8"),
        (lambda text: text.replace(",", "|"), "utf-8"),
    ],
    ids=["byte order mark", "Windows line ends", "semicolons", "tabs", "bars"],
)
def test_other_forms_of_the_same_file_score_the_same(
    tmp_path: Path, change: Callable[[str], str], encoding: str
) -> None:
    """A byte order mark, Windows line ends and other delimiters make no difference."""
    want = scored(write(tmp_path, hours(100)))
    (tmp_path / "other.csv").write_bytes(change(hours(100)).encode(encoding))
    assert scored(tmp_path / "other.csv") == want


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
