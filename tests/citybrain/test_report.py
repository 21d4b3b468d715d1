"""The shift report: what it tells, in both languages, as a page and as PDF."""

from __future__ import annotations

import re
import zlib
from dataclasses import replace as changed
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from msgspec.structs import replace

from citybrain import cli
from citybrain.reports import shift
from citybrain.reports.facts import Facts, gather
from citybrain.reports.words import WORDS
from config import city as cities
from config import contract
from config.settings import Settings
from models.alarm_quality import measure
from models.roster import ROTA, Duty, Handover, Rota
from models.values import AuditLine, Task, Text, Transition, to_json
from streams.archive import MESSAGES_SCHEMA, write
from tests.models.duty import HOUR, MINUTE, alert, incident, name

START = int(datetime(2026, 10, 1, 8, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp() * 1000)
END = START + 12 * HOUR


@pytest.fixture(scope="module")
def facts() -> Facts:
    """A busy day shift of Chengdu."""
    alerts = [
        alert(
            START + 2 * HOUR + n * MINUTE // 3,
            "Extreme" if n == 0 else "Minor",
            place=f"立交 {n % 5}",
            acknowledged_at=START + 2 * HOUR + n * MINUTE // 3 + (n + 1) * 5_000,
        )
        for n in range(40)
    ]
    shelving = Transition(at=START, was="unacknowledged", now="shelved", action="shelve", by="li", comment="修路")
    shelved = alert(START - HOUR, state="shelved", hidden_by="li", shelved_until=END + HOUR, history=(shelving,))
    task = Task(id="t1", what=name("pump"), who="pump", state="done")
    up = Transition(at=START + 10 * MINUTE, was="open", now="open", action="escalate")
    waiting = incident(
        START + 3 * HOUR, title=Text(en="Ponding <Tianfu>", zh="积水"), owner="li", state="assigned",
        tasks=(task, replace(task, id="t2", state="open")), timeline=(up,),
    )  # fmt: skip
    done = incident(START + HOUR, "Minor", id="done", state="closed", closed=START + 2 * HOUR)
    city = cities.load("chengdu")
    handover = Handover(id="h1", at=END - MINUTE, shift="day", start=START, by="li", to="sun", comment="水泵在 3 号桥")
    return Facts(
        city=city,
        start=START,
        end=END,
        now=END,
        shift=Text(en="Day shift", zh="白班"),
        duty=(Duty(seat="desk-1", role="dispatcher", user="li", name=Text(en="Li Na", zh="李娜"), routes=()),),
        handover=handover,
        alerts=tuple(alerts),
        quality=measure(alerts, START, END, 1, END),
        open=(waiting,),
        settled=(done,),
        shelved=(shelved,),
        anchor="812:0123456789abcdef",
    )


def test_it_tells_what_is_open_who_was_there_and_how_it_went(facts: Facts) -> None:
    """In English, with times of the city."""
    page = shift.html(facts, "en")
    told = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    for said in (
        "Shift report",
        "Day shift · 2026-10-01 08:00 – 20:00 (Asia/Shanghai)",
        "desk-1 dispatcher Li Na li",
        "From li to sun, 19:59 — 水泵在 3 号桥",
        "Open incidents (1)",
        "Shelved alerts (1)",
        "Audit anchor 812:0123456789abcdef",
        "assigned li 11:00 1/2 1",
        "修路",
    ):
        assert said in told
    assert f"<b>{round(facts.quality.flood_s / 60)}</b>" in page
    assert facts.quality.flood_s > 0


def test_what_people_wrote_is_text_and_never_markup(facts: Facts) -> None:
    """An incident's title with angle brackets stays a title."""
    assert "Ponding &lt;Tianfu&gt;" in shift.html(facts, "en")


def test_the_chinese_page_has_no_english_words_of_its_own(facts: Facts) -> None:
    """And the other way round: every word has both."""
    page = shift.html(facts, "zh")
    assert "交接班报告" in page
    assert "搁置告警" in page
    for _, english in WORDS.values():
        if len(english) > 12 and "{" not in english:
            assert english not in page


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_pdf_is_one_with_its_fonts(facts: Facts, lang: str) -> None:
    """Pages of A4 whose Chinese letters are in the file."""
    made = shift.pdf(shift.html(facts, "zh" if lang == "zh" else "en"))
    assert made.startswith(b"%PDF-")
    parts = [_unpacked(one) for one in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", made, re.DOTALL)]
    assert any(b"/FontFile" in part for part in parts)
    assert any(b"NotoSansCJK" in part.replace(b"-", b"") for part in parts)
    assert len(made) < 3_000_000


def _unpacked(stream: bytes) -> bytes:
    """A stream's content; as it is where it is not packed."""
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return stream


def test_an_empty_shift_is_a_report_too(facts: Facts) -> None:
    """Nothing happened, and nobody handed over."""
    calm = changed(
        facts,
        alerts=(),
        quality=measure([], START, END, 1, END),
        open=(),
        settled=(),
        shelved=(),
        handover=None,
        anchor="",
    )
    page = shift.html(calm, "en")
    assert "Not handed over yet" in page
    assert page.count('class="none">None') == 3


@pytest.mark.parametrize(
    ("seconds", "said"), [(None, "–"), (0.4, "0 s"), (45, "45 s"), (125, "2:05"), (3725, "1:02:05")]
)
def test_durations_are_short(seconds: float | None, said: str) -> None:
    """As they are read out."""
    assert shift.lasting(seconds) == said


def archived(settings: Settings, topic: contract.Topic, rows: list[tuple[int, str, bytes]]) -> None:
    """Messages (time, key, value) as the archive keeps them."""
    times = np.array([at for at, _, _ in rows], np.int64)
    table = pa.table(
        [
            pa.array(range(len(rows)), pa.int64()),
            pa.array(times).cast(pa.timestamp("ms", "UTC")),
            pa.array([key for _, key, _ in rows]),
            pa.array([value.decode() for _, _, value in rows]),
        ],
        schema=MESSAGES_SCHEMA,
    )
    write(settings.archive / topic.name, 0, 0, len(rows), table, times // 86_400_000, 0)


def test_a_past_shift_is_told_from_the_archive_as_it_was_at_its_end(tmp_path: Path) -> None:
    """What was closed later is open in it; what came later is not in it."""
    settings = Settings(city="chengdu", data=tmp_path)
    one = incident(START + HOUR)
    closed = replace(one, state="closed", closed=END + HOUR)
    archived(
        settings,
        contract.INCIDENTS,
        [(START + HOUR, one.id, to_json(one)), (END + HOUR, one.id, to_json(closed))],
    )
    first, second = alert(START + HOUR), alert(END + MINUTE)
    answered = replace(first, acknowledged_at=START + HOUR + 60_000)
    archived(
        settings,
        contract.ALERTS,
        [(at, one.id, to_json(one)) for at, one in ((first.opened, first), (END, answered), (second.opened, second))],
    )
    handed = Handover(id="h", at=END, shift="day", start=START, by="li", to="wang")
    archived(settings, contract.ROOM, [(END - 1, ROTA, to_json(Rota(handovers=(handed,))))])
    archived(
        settings,
        contract.AUDIT,
        [(END, "x", to_json(AuditLine(number=7, at=1, by="", what="", subject="", did="", chain="c7")))],
    )
    found = gather(settings, START, END, END + 24 * HOUR)
    assert [one.id for one in found.open] == [one.id]
    assert [one.id for one in found.alerts] == [first.id]
    assert found.quality.acknowledgement["all"].p50_s == 60.0
    assert (found.shift.en, found.handover, found.anchor) == ("Day shift", handed, "7:c7")


def test_the_command_writes_the_file_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """For a city that has nothing in its archive yet."""
    monkeypatch.setenv("CITYBRAIN_DATA", str(tmp_path))
    output = tmp_path / "reports" / "night.html"
    words = ["report", "shift", "--city", "chengdu", "--from", "2026-10-01T20:00", "--to", "2026-10-02T08:00"]
    assert cli.app([*words, "--lang", "en", "-o", str(output)], standalone_mode=False) == 0
    assert "Night shift · 2026-10-01 20:00 – 2026-10-02 08:00" in output.read_text("utf-8")
    assert "0 open incidents, 0 alerts" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-o", "x.doc"], "must end in .html or .pdf"),
        (["-o", "x.pdf", "--lang", "fr"], "use zh or en"),
        (["-o", "x.pdf", "--from", "yesterday"], "write it as 2026-10-01"),
        (["-o", "x.pdf", "--from", "2026-10-02", "--to", "2026-10-01"], "give --from before --to"),
    ],
)
def test_what_cannot_be_reported_is_refused(tmp_path: Path, options: list[str], said: str) -> None:
    """One line that says what to do; no file is written."""
    with pytest.raises(ValueError, match=said):
        cli.app(["report", "shift", "--city", "chengdu", *options], standalone_mode=False)
