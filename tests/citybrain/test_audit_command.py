"""``citybrain audit``: what it says of a history in the archive and on a topic, whole or tampered with."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from aiokafka import AIOKafkaProducer
from msgspec.structs import replace

from citybrain import prepare
from citybrain.commands import audit
from citybrain.commands.audit import AuditError
from citybrain.kept_messages import NothingKept
from citybrain.local.kafka import running_broker
from config import contract
from config.settings import Settings
from models.audit import Writer, digest
from models.values import AuditLine, to_json
from streams.archive import MESSAGES_SCHEMA, write

NOON = 1_790_830_800_000


def history(count: int = 20) -> list[AuditLine]:
    """Lines as the room writes them."""
    raw = [
        AuditLine(
            number=0, at=NOON + n, by=("li", "wang")[n % 2], what="alert", subject=f"a{n % 3}", did="note", step=n + 1
        )
        for n in range(count)
    ]
    return Writer().write(raw)


def archived(settings: Settings, lines: list[AuditLine], offsets: list[int] | None = None) -> None:
    """The lines as the archive keeps them, at their offsets."""
    at = offsets or [line.number - 1 for line in lines]
    times = np.full(len(lines), NOON, np.int64)
    table = pa.table(
        [
            pa.array(at, pa.int64()),
            pa.array(times).cast(pa.timestamp("ms", "UTC")),
            pa.array([line.subject for line in lines]),
            pa.array([to_json(line).decode() for line in lines]),
        ],
        schema=MESSAGES_SCHEMA,
    )
    folder = settings.archive / contract.AUDIT.name
    for old in folder.glob("day=*/*"):
        old.unlink()
    write(folder, 0, 0, at[-1] + 1, table, times // 86_400_000, 0)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker that has the history of a city."""
    with running_broker(tmp_path_factory.mktemp("broker")) as address:
        prepare.make_topics(address, "chengdu", 1)
        asyncio.run(_publish(address, history()))
        yield address


async def _publish(address: str, lines: list[AuditLine]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=address)
    await producer.start()
    for line in lines:
        await producer.send_and_wait(contract.AUDIT.of("chengdu"), to_json(line), partition=0)
    await producer.stop()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A city without a broker."""
    return Settings(city="chengdu", data=tmp_path)


@pytest.fixture
def both(settings: Settings, broker: str) -> Settings:
    """A city with archive and broker."""
    return settings.model_copy(update={"kafka": broker})


def test_a_whole_history_holds_and_its_anchor_is_told(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """The anchor can be given back."""
    lines = history()
    archived(settings, lines)
    assert audit.check(settings, None, None, as_json=False) == 0
    said = capsys.readouterr().out
    assert said == f"20 lines hold; anchor 20:{lines[-1].chain}\n"
    assert audit.check(settings, None, said.split()[-1], as_json=False) == 0


@pytest.mark.parametrize(
    ("place", "what"), [(0, "changed"), (7, "changed"), (19, "changed"), (0, "removed"), (7, "removed")]
)
def test_the_first_line_that_was_changed_or_removed_is_named(
    settings: Settings, capsys: pytest.CaptureFixture[str], place: int, what: str
) -> None:
    """Exit code 1, also as JSON."""
    lines = history()
    kept = [replace(line, by="nobody") if n == place else line for n, line in enumerate(lines)]
    archived(settings, kept if what == "changed" else lines[:place] + lines[place + 1 :])
    assert audit.check(settings, None, None, as_json=True) == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["ok"], said["fault"]["line"], said["fault"]["what"]) == (False, place + 1, what)


def test_a_last_line_cut_off_is_found_by_an_anchor(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """A chain alone cannot know how long it was."""
    lines = history()
    archived(settings, lines[:-1])
    assert audit.check(settings, None, None, as_json=False) == 0
    assert audit.check(settings, None, f"20:{lines[-1].chain}", as_json=False) == 1
    assert "line 20 was removed" in capsys.readouterr().err


def test_a_history_written_anew_is_found_by_an_anchor(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """By somebody who knows how chains are made."""
    lines = history()
    forged = Writer().write(replace(line, by="nobody") if line.number == 8 else line for line in lines)
    archived(settings, forged)
    assert audit.check(settings, None, f"12:{lines[11].chain}", as_json=False) == 1
    assert "line 12 was changed" in capsys.readouterr().err


def test_the_topic_and_the_archive_are_each_others_witness(both: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """A line changed in the archive with all chains made anew; a line taken out of it."""
    lines = history()
    forged = Writer().write(replace(line, by="nobody") if line.number == 8 else line for line in lines)
    for kept, number, why in (
        (forged, 8, "the archive and the topic differ"),
        (lines[:7] + lines[8:], 8, "the topic has it, the archive has lines after it"),
    ):
        archived(both, kept)
        assert audit.check(both, None, None, as_json=False) == 1
        assert f"line {number} was" in (said := capsys.readouterr().err)
        assert why in said


def test_what_is_not_archived_yet_is_read_from_the_topic(both: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """The archive is some seconds behind, or is not there at all."""
    assert audit.check(both, None, None, as_json=False) == 0
    archived(both, history()[:12])
    assert audit.check(both, None, None, as_json=False) == 0
    assert capsys.readouterr().out.count("20 lines hold") == 2


def test_older_lines_may_lie_elsewhere(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """With the anchor of the last of them."""
    lines = history()
    archived(settings, lines[8:])
    assert audit.check(settings, None, None, as_json=False) == 1
    assert "line 1 was removed" in capsys.readouterr().err
    assert audit.check(settings, f"8:{lines[7].chain}", None, as_json=False) == 0


def test_the_list_tells_the_newest_lines_of_one_person_or_subject(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """The oldest of them first."""
    archived(settings, history())
    assert audit.show(settings, 3, "li", None, as_json=True) == 0
    assert [line["number"] for line in json.loads(capsys.readouterr().out)["lines"]] == [15, 17, 19]
    assert audit.show(settings, 50, None, "a1", as_json=False) == 0
    assert len(capsys.readouterr().out.splitlines()) == 7


def test_mistakes_are_told_with_their_remedy(settings: Settings) -> None:
    """Nothing to read, an anchor that is none, a limit that is none."""
    with pytest.raises(NothingKept, match="start citybrain run all"):
        audit.check(settings, None, None, as_json=False)
    with pytest.raises(AuditError, match="NUMBER:CHAIN"):
        audit.check(settings, None, "8", as_json=False)
    with pytest.raises(AuditError, match=r"outside 1\.\.100000"):
        audit.show(settings, 0, None, None, as_json=False)


def test_a_line_in_doubt_is_not_repaired_by_a_chain_of_its_own(settings: Settings) -> None:
    """A changed line whose chain fits it is still the first that is wrong."""
    lines = history()
    changed = replace(lines[4], by="nobody")
    archived(settings, [*lines[:4], replace(changed, chain=digest(changed)), *lines[5:]])
    assert audit.check(settings, None, None, as_json=True) == 1
