"""Days that are over lie in an object store: readers join them with what is here, and nothing is ever lost."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from citybrain.archive import check, mover, retention
from citybrain.archive.files import ArchiveError
from citybrain.archive.reader import DAY_MS, Archive
from citybrain.archive.store import Store
from citybrain.commands import archive as command
from config.settings import Settings
from streams.archive import MessagesWriter, ReadingsWriter
from tests.citybrain.archive.object_store import ObjectStore
from tests.citybrain.archive.rig import MEMBERS, START, names, record, say
from tests.streams.test_archive import layout

URL = "s3://default/archives"
PART_BYTES = 10 << 20  # of an upload


@pytest.fixture
def objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    """An object store, and the variables that lead to it."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    made = ObjectStore(tmp_path)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    with made:
        yield made


@pytest.fixture
def settings(tmp_path: Path, objects: ObjectStore) -> Settings:
    """A city with three days of readings and alerts, and the store to which its days go."""
    made = Settings(city="town", data=tmp_path, archive_s3=URL, archive_local_days=1)
    for day in range(3):
        record(made.archive, flushes=2, start=START + day * DAY_MS)
        say(made.archive, "alerts", [(START + day * DAY_MS, f"alert-{day}", json.dumps({"day": day}))])
    return made


MOVE = """
import sys
from pathlib import Path
from citybrain.archive import mover
from citybrain.archive.store import Store
mover.move(Path(sys.argv[1]), Store(sys.argv[2], "town"), int(sys.argv[3]), 1)
"""


def weighty(archive: Path) -> Path:
    """Make the first file of readings longer than a part of an upload, its rows as they are; the file."""
    path = next((archive / "readings" / "day=2026-09-22").glob("*.parquet"))
    table = pq.read_table(path)
    note = {b"filler": secrets.token_hex(3 << 20).encode(), **(table.schema.metadata or {})}
    pq.write_table(table.replace_schema_metadata(note), path)
    assert path.stat().st_size > PART_BYTES
    return path


def told(settings: Settings) -> tuple[pa.Table, list[str], dict[str, bytes]]:
    """All that a reader finds: readings, days, alerts."""
    archive = Archive.of(settings)
    assert archive.notices.words("en") == []
    readings = archive.readings(START - DAY_MS, START + 9 * DAY_MS)
    return readings, archive.days(), archive.last("alerts", 1 << 62)


def tidy(settings: Settings, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    """``citybrain archive compact``: its exit code, and what it says that failed."""
    code = command.compact(settings, everything=False, as_json=True)
    failed: list[str] = json.loads(capsys.readouterr().out.splitlines()[-1])["failed"]
    return code, failed


def test_days_that_are_over_go_and_readers_find_all(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """The first run copies, the second takes from the folder; the newest file of each topic stays."""
    before = told(settings)
    assert tidy(settings, capsys) == (0, [])
    assert told(settings) == before
    assert tidy(settings, capsys) == (0, [])
    assert told(settings) == before
    assert [name[:14] for name in names(settings.archive / "readings")] == ["day=2026-09-24"] * 1
    assert [name[:14] for name in names(settings.archive / "alerts")] == ["day=2026-09-24"]
    found = check.check(settings.archive, Store.of(settings))
    assert (found.faults, found.rows, found.lost) == ((), 75, 0)


def test_the_writer_goes_on_where_it_was(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """A group of whose days only the newest is here is whole to it."""
    after = [
        ReadingsWriter(settings.archive / "readings", layout(MEMBERS)).next,
        MessagesWriter(settings.archive / "alerts", 0).next,
    ]
    for _ in range(2):
        tidy(settings, capsys)
    assert [
        ReadingsWriter(settings.archive / "readings", layout(MEMBERS)).next,
        MessagesWriter(settings.archive / "alerts", 0).next,
    ] == after


def test_while_the_store_is_away_nothing_goes_and_what_is_here_is_shown(
    settings: Settings, objects: ObjectStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tidying says so and leaves all files; a reader names the store; a repair notes nothing as lost."""
    tidy(settings, capsys)
    tidy(settings, capsys)
    here = names(settings.archive / "readings")
    objects.__exit__()
    code, failed = tidy(settings, capsys)
    assert (code, names(settings.archive / "readings")) == (1, here)
    assert "does not answer; look at AWS_ENDPOINT_URL" in failed[0]
    archive = Archive.of(settings)
    assert archive.readings(START + 2 * DAY_MS, START + 3 * DAY_MS).num_rows == 24
    assert "does not answer" in archive.notices.words("en")[0]
    found = check.check(settings.archive, Store.of(settings))
    assert found.faults[0].kind == "store"
    (said,) = check.repair(settings.archive, found)
    assert "nothing is mended while the store cannot be asked" in said
    with objects:
        assert check.check(settings.archive, Store.of(settings)).faults == ()


@pytest.mark.parametrize(
    ("url", "name", "value", "words"),
    [
        ("s3://nobody/archives", "AWS_REGION", "us-east-1", "there is no such bucket; make it"),
        (URL, "AWS_SECRET_ACCESS_KEY", "wrong", "it refuses the keys; look at AWS_ACCESS_KEY_ID"),
        (URL, "AWS_ACCESS_KEY_ID", "wrong", "it refuses the keys; look at AWS_ACCESS_KEY_ID"),
    ],
)
def test_a_wrong_bucket_or_key_is_told_in_words(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    url: str,
    name: str,
    value: str,
    words: str,
) -> None:
    """All files stay, and ``archive check`` fails."""
    monkeypatch.setenv(name, value)
    wrong = settings.model_copy(update={"archive_s3": url})
    here = names(settings.archive / "readings")
    code, failed = tidy(wrong, capsys)
    assert (code, words in failed[0], names(settings.archive / "readings")) == (1, True, here)
    assert command.check(wrong, mend=False, as_json=False) == 1


@pytest.mark.parametrize("url", ["s3:/bucket", "https://bucket/x", "bucket"])
def test_what_is_no_store_is_refused(url: str, tmp_path: Path) -> None:
    """The message has the value and an example."""
    with pytest.raises(ArchiveError, match=r"is no object store; write it as s3://bucket/prefix"):
        Archive.of(Settings(data=tmp_path, archive_s3=url))


def test_a_copy_that_is_not_the_same_stays_here(settings: Settings) -> None:
    """A file leaves the folder only after its bytes were read back; the next run copies it again."""
    store = Store(URL, "town")
    mover.move(settings.archive, store, START + 9 * DAY_MS, 1)
    (torn, *_) = sorted((settings.archive / "readings" / "day=2026-09-22").glob("*.parquet"))
    torn.write_bytes(bytes(reversed(torn.read_bytes())))
    mover.settle(settings.archive, Store(URL, "town"))
    assert torn.exists()
    assert not list((settings.archive / "readings" / "day=2026-09-23").glob("*.parquet"))


def test_days_over_their_time_go_from_the_store_too(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """As from the folder; other topics stay."""
    for _ in range(2):
        tidy(settings, capsys)
    now = START + 2 * DAY_MS + 3_600_000
    (removed,) = retention.keep(settings.archive, settings.home / "pictures", {"readings": 1}, now, Store(URL, "town"))
    assert removed == retention.Removed("readings", ("2026-09-22",))
    assert Archive.of(settings).days("readings") == ["2026-09-23", "2026-09-24"]
    assert Archive.of(settings).days("alerts") == ["2026-09-22", "2026-09-23", "2026-09-24"]


def move_the_rest(settings: Settings, objects: ObjectStore) -> None:
    """A mover's next run, against a store that takes every part."""
    objects.uploads.on_part = lambda _: 200
    mover.move(settings.archive, Store(URL, "town"), START + 9 * DAY_MS, 1)
    mover.settle(settings.archive, Store(URL, "town"))


def test_a_copy_that_ends_halfway_is_no_file_of_the_archive(settings: Settings, objects: ObjectStore) -> None:
    """A store that fails after the first 10 MB: what is there is not taken as whole; the next run brings it."""
    before, large = told(settings), weighty(settings.archive)
    objects.uploads.on_part = lambda number: 200 if number == 1 else 400
    with pytest.raises(ArchiveError, match="the archive's store"):
        mover.move(settings.archive, Store(URL, "town"), START + 9 * DAY_MS, 1)
    assert large.name not in [part.path.name for part in Store(URL, "town").parts("readings")]
    assert told(settings) == before
    move_the_rest(settings, objects)
    assert (large.exists(), told(settings)) == (False, before)


def test_a_mover_that_is_killed_halfway_loses_and_doubles_nothing(settings: Settings, objects: ObjectStore) -> None:
    """SIGKILL while the second part of a file is on its way: the next run ends the work."""
    before, large = told(settings), weighty(settings.archive)
    moving = [sys.executable, "-c", MOVE, str(settings.archive), URL, str(START + 9 * DAY_MS)]
    came = threading.Event()

    def hold(number: int) -> int:
        came.set()
        return 200 if number == 1 else 500

    objects.uploads.on_part = hold
    killed = subprocess.Popen(moving, stderr=subprocess.PIPE)
    assert came.wait(30), killed.communicate(timeout=10)
    killed.kill()
    killed.communicate(timeout=30)
    assert objects.uploads.open == 1
    assert large.name not in [part.path.name for part in Store(URL, "town").parts("readings")]
    assert told(settings) == before
    move_the_rest(settings, objects)
    assert (large.exists(), told(settings)) == (False, before)
    assert check.check(settings.archive, Store(URL, "town")).faults == ()
