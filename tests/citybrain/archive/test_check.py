"""The archive is proved complete, and what is not is named and mended."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from citybrain.archive import check, files, retention
from citybrain.archive.files import ArchiveError
from citybrain.archive.reader import Archive
from citybrain.commands import archive as command
from config.settings import Settings
from streams.archive import ReadingsWriter
from tests.citybrain.archive.rig import MEMBERS, PARTITION, START, names, record, rows, say
from tests.streams.test_archive import layout


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes end here, not the power: nothing need reach the disk itself."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def kinds(archive: Path) -> list[tuple[str, int, int]]:
    """The faults there are: kind, first and next offset."""
    return [(fault.kind, fault.first, fault.next) for fault in check.check(archive).faults]


def test_a_whole_archive_is_complete(tmp_path: Path) -> None:
    """Every offset is counted."""
    record(tmp_path, flushes=3)
    say(tmp_path, "alerts", [(START, "a", "{}")])
    found = check.check(tmp_path)
    assert (found.faults, found.offsets, found.files, found.rows, found.lost) == ((), 13, 4, 37, 0)


def test_a_file_that_is_there_twice_is_named(tmp_path: Path) -> None:
    """The message has both files and the remedy."""
    record(tmp_path, flushes=3)
    folder = tmp_path / "readings" / "day=2026-09-22"
    one = folder / f"p{PARTITION}-{4:020d}-{8:020d}-0of1.parquet"
    (folder / f"p{PARTITION}-{4:020d}-{9:020d}-0of1.parquet").write_bytes(one.read_bytes())
    assert ("double", 4, 8) in kinds(tmp_path)
    words = next(fault.words for fault in check.check(tmp_path).faults if fault.kind == "double")
    assert "are there twice" in words
    assert "set one of the two aside" in words


def test_a_file_with_another_s_offsets_is_found(tmp_path: Path) -> None:
    """A name that does not fit its rows."""
    record(tmp_path, flushes=1)
    folder = tmp_path / "readings" / "day=2026-09-22"
    (path,) = folder.iterdir()
    path.rename(folder / f"p{PARTITION}-{4:020d}-{8:020d}-0of1.parquet")
    (fault,) = check.check(tmp_path).faults
    assert "holds offsets 0 to 3, its name says 4 to 7" in fault.words


@pytest.mark.parametrize("damage", ["cut", "middle", "empty"])
def test_what_a_torn_file_left_is_mended(tmp_path: Path, damage: str) -> None:
    """Without a log its offsets are known to be lost, everything else stays, and the writer goes on."""
    record(tmp_path, flushes=4)
    torn = tmp_path / "readings" / names(tmp_path / "readings")[1]
    body = torn.read_bytes()
    middle = body[: len(body) // 3] + b"\0" * (len(body) // 4) + body[len(body) // 3 + len(body) // 4 :]
    torn.write_bytes({"cut": body[: len(body) // 2], "empty": b"", "middle": middle}[damage])
    found = check.check(tmp_path)
    assert [(fault.kind, fault.first) for fault in found.faults] == [("torn", 4)]
    assert "citybrain archive check --repair" in found.faults[0].words
    (said,) = check.repair(tmp_path, found)
    assert "noted as lost" in said
    after = check.check(tmp_path)
    assert (after.faults, after.lost, after.rows) == ((), 4, 36)
    assert len(rows(tmp_path)) == 36
    assert ReadingsWriter(tmp_path / "readings", layout(MEMBERS)).next == 16
    assert len(list((tmp_path / ".torn" / "readings").iterdir())) == 1


def test_the_log_gives_what_it_still_has(tmp_path: Path) -> None:
    """What can be read again is not lost."""
    record(tmp_path, flushes=3)
    (tmp_path / "readings" / names(tmp_path / "readings")[1]).unlink()
    asked = []

    def again(topic: str, partition: int, first: int, after: int) -> bool:
        asked.append((topic, partition, first, after))
        return True

    (said,) = check.repair(tmp_path, check.check(tmp_path), again)
    assert asked == [("readings", PARTITION, 4, 8)]
    assert said.endswith("read again from the log")


def test_the_command_tells_and_ends_with_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1 with the fault in words; after --repair exit 0."""
    settings = Settings(city="chengdu", data=tmp_path)
    record(settings.archive, flushes=3)
    torn = settings.archive / "readings" / names(settings.archive / "readings")[0]
    torn.write_bytes(b"PAR1")
    assert command.check(settings, mend=False, as_json=True) == 1
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [fault["kind"] for fault in told["faults"]] == ["torn"]
    assert command.check(settings, mend=True, as_json=True) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["faults"], told["lost"]) == ([], 4)


def old(path: Path, version: bytes | None) -> None:
    """Make a file be of another schema version."""
    table = pq.read_table(path, partitioning=None)
    named = {} if version is None else {files.VERSION_KEY: version}
    pq.write_table(table.cast(pa.schema(list(table.schema), named)), path)


@pytest.mark.parametrize(("version", "named"), [(b"0", "version 0"), (b"9", "version 9"), (None, "no version")])
def test_another_schema_version_is_named_and_the_rest_is_shown(
    tmp_path: Path, version: bytes | None, named: str
) -> None:
    """The message has the file, its version, those that are read, and what to do."""
    record(tmp_path, flushes=3)
    old(tmp_path / "readings" / names(tmp_path / "readings")[0], version)
    archive = Archive(tmp_path)
    assert archive.readings(START, START + 60_000).num_rows == 24
    (notice,) = archive.notices.words("en")
    assert f"is of {named} of the archive's schema, this release reads 1; it is left out" in notice
    assert [kind for kind, _, _ in kinds(tmp_path)] == ["version"]


def test_a_day_that_was_moved_away_is_no_fault(tmp_path: Path) -> None:
    """Also where one flush had rows of that day and of the next."""
    record(tmp_path, flushes=8, start=START + 86_400_000 - 70_000)
    for path in (tmp_path / "readings" / "day=2026-09-22").iterdir():
        path.unlink()
    (tmp_path / "readings" / "day=2026-09-22").rmdir()
    left = len(rows(tmp_path))
    assert check.check(tmp_path).faults == ()
    ReadingsWriter(tmp_path / "readings", layout(MEMBERS))
    assert len(rows(tmp_path)) == left


def test_each_topic_is_kept_for_its_own_time(tmp_path: Path) -> None:
    """What is not named stays."""
    archive = tmp_path / "archive"
    for topic in ("readings", "audit"):
        for day in ("2026-09-20", "2026-09-25"):
            (archive / topic / f"day={day}").mkdir(parents=True)
    (done,) = retention.keep(archive, tmp_path / "pictures", retention.declared("readings=3d"), START + 4 * 86_400_000)
    assert (done.topic, done.days) == ("readings", ("2026-09-20",))
    assert sorted(path.name for path in (archive / "audit").iterdir()) == ["day=2026-09-20", "day=2026-09-25"]


@pytest.mark.parametrize("text", ["readings", "readings=3", "nothing=3d", "readings=0d"])
def test_a_retention_that_is_none_is_refused(text: str) -> None:
    """The message names the setting and what may be written."""
    with pytest.raises(ArchiveError, match="CITYBRAIN_ARCHIVE_KEEP"):
        retention.declared(text)
