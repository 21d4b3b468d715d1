"""The after-action report of one incident, and detection graded by the archive beside the simulator's truth."""

from __future__ import annotations

import io
import json
import re
import shutil
import zipfile
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from msgspec.structs import replace

from citybrain import cli
from citybrain.drills.truth import graded
from citybrain.reports.after_action import AfterAction, gather
from citybrain.reports.after_action_figures import ticks
from citybrain.reports.after_action_forms import html, made
from citybrain.reports.after_action_story import Table, story
from citybrain.reports.after_action_words import WORDS
from citybrain.reports.figure import Figure, Label, Shape, png, svg
from config import city as cities
from config import contract
from config import pack as packs
from config import register as registers
from config.register import Register
from config.settings import Settings
from models.values import Alert, Incident, Proposal, Severity, Task, Text, Transition, UnitNeed, alert_id, to_json
from sensors.simulate import chengdu
from streams.archive import READINGS_SCHEMA, write
from tests.citybrain.test_report import archived
from tests.models.duty import HOUR, MINUTE, alert, incident

START = 1_790_046_000_000  # 2026-09-22 10:20 in Chengdu
GAUGE = "gauge-0001"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A morning with one incident: a gauge that rose, an answer in time, one that came late, a plan and a truck."""
    made_at = Settings(city="chengdu", data=tmp_path_factory.mktemp("data"))
    city = cities.load("chengdu")
    assets = chengdu.assets(city).filter(asset=GAUGE)
    watched = next(one for one in packs.load_all() if one.name == "flood").watched
    register, _ = registers.build(city, assets, watched)
    registers.save(register, made_at.register)
    _readings(made_at, register)
    case = _case()
    archived(made_at, contract.ALERTS, [(one.opened, one.id, to_json(one)) for one in _alerts()])
    archived(made_at, contract.INCIDENTS, [(case.opened, case.id, to_json(case))])
    return made_at


def _readings(settings: Settings, register: Register) -> None:
    """Water a centimetre deep that rises to half a metre, a reading a minute."""
    row = register.index[f"{GAUGE}/water_level"]
    time = START - 3 * HOUR + np.arange(6 * 60) * MINUTE
    level = np.where((time > START) & (time < START + HOUR), 0.5, 0.01)
    n = len(time)
    table = pa.table(
        [
            pa.array(np.full(n, row, np.int32)),
            pa.array(time).cast(pa.timestamp("ms", "UTC")),
            pa.array(level),
            pa.array(np.zeros(n, np.uint8)),
            pa.array(["g"] * n).dictionary_encode(),
            pa.array(time).cast(pa.timestamp("ms", "UTC")),
            pa.array(np.zeros(n, np.int64)),
        ],
        schema=READINGS_SCHEMA,
    )
    write(settings.archive / "readings", 0, 0, n, table, time // 86_400_000, 0)


def _alerts() -> list[Alert]:
    """One answered in time, one late."""
    found = []
    asked: tuple[tuple[str, Severity, int], ...] = (
        ("PondingClosure", "Extreme", MINUTE),
        ("PondingWarning", "Moderate", 20 * MINUTE),
    )
    for rule, severity, after in asked:
        one = alert(START, severity, GAUGE, rule, incident="case", closed=START + HOUR)
        seen = replace(one.detection, id=alert_id("flood", rule, GAUGE, START), place_kind="asset")
        step = Transition(at=START + after, was="unacknowledged", now="acknowledged", action="acknowledge", by="li")
        found.append(
            replace(
                one, id=seen.id, detection=seen, acknowledged_at=step.at, acknowledged_by="li", cleared=START + HOUR,
                history=(step,),
            )
        )  # fmt: skip
    return found


def _case() -> Incident:
    def line(minutes: float, action: str, by: str = "", comment: str = "") -> Transition:
        return Transition(
            at=START + int(minutes * MINUTE), was="open", now="open", action=action, by=by, comment=comment
        )

    late = Task(
        id="t", what=Text("Close the road", "封闭道路"), who="police", deadline=START + 10 * MINUTE, state="done",
        by="wang", at=START + 15 * MINUTE,
    )  # fmt: skip
    plan = Proposal(
        plan="flood", version="c59a", stage="closed", title=Text("Road closed", "封闭"), inputs={"water_level": 0.5},
        units=(UnitNeed(kind="pump", count=2),), measures=("close-road",),
    )  # fmt: skip
    return incident(
        START, id="case", title=Text("Water at <gauge>", "积水"), state="closed", closed=START + 2 * HOUR, count=2,
        changed=START + 2 * HOUR, plan=plan, tasks=(late,), units=("pump-510104-1",),
        timeline=(
            line(0, "opened"), line(0, "raised", "", "Extreme"),
            line(1, "alert-acknowledge", "", f"{_alerts()[0].id} 积水 / Water · li · seen"),
            line(2, "assign", "li"), line(3, "launch", "li", "closed"),
            line(3, "unit-send", "li", "pump-510104-1 2.0 km"), line(12, "unit-arrive", "", "pump-510104-1"),
            line(60, "resolve", "li"), line(120, "closed"),
        ),
    )  # fmt: skip


@pytest.fixture(scope="module")
def facts(settings: Settings) -> AfterAction:
    """The facts of that incident."""
    return gather(settings, "case", None, None, START + 24 * HOUR)


def test_the_facts_are_those_of_the_archive(facts: AfterAction) -> None:
    """Curve, deadlines met and missed, the way of the unit, and how long things took."""
    (curve,) = facts.curves
    assert (curve.property, curve.unit, float(curve.value.max()), len(curve.marks)) == ("water_level", "m", 0.5, 2)
    assert [(one.what, one.met) for one in facts.deadlines] == [("alert", True), ("task", False), ("alert", False)]
    assert facts.sent == (("pump-510104-1", START + 3 * MINUTE, START + 12 * MINUTE),)
    assert (facts.took_s("launch"), facts.took_s("unit-arrive"), facts.took_s("decline")) == (180.0, 720.0, None)
    assert (facts.clock.live, facts.notices) == (True, ())


def test_a_torn_file_is_named_in_the_reports_language(settings: Settings, tmp_path: Path) -> None:
    """Once, with what to do; the rest is told."""
    made_at = Settings(city="chengdu", data=tmp_path)
    shutil.copytree(settings.home, made_at.home)
    torn = sorted((made_at.archive / "readings").glob("day=*/*.parquet"))[0]
    torn.write_bytes(torn.read_bytes()[:60])
    found = gather(made_at, "case", None, None, START + 24 * HOUR)
    english, chinese = html(story(found, "en")), html(story(found, "zh"))
    assert len(found.notices) == 1
    assert f"{torn.name} cannot be read (" in english
    assert "it is left out. Run citybrain archive check --repair" in english
    assert f"{torn.name} 无法读取（" in chinese
    assert "已略去。请运行 citybrain archive check --repair" in chinese


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_page_tells_all_of_it_in_either_language(facts: AfterAction, lang: str) -> None:
    """No word of the other language's catalogue, and what comes from outside is escaped."""
    page = html(story(facts, "zh" if lang == "zh" else "en"))
    told = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    place = 0 if lang == "zh" else 1
    for key in ("title", "map", "curves", "deadlines", "plan", "timeline", "people", "met", "missed"):
        assert WORDS[key][place] in told
    assert "2 × pump" in told
    assert ("封闭道路" if lang == "zh" else "Close the road") in told
    assert "<gauge>" not in page
    assert page.count("<svg") == 3
    assert "http" not in page


def test_word_has_the_same_parts_with_pictures(facts: AfterAction) -> None:
    """A document with both tables and three pictures."""
    with zipfile.ZipFile(io.BytesIO(made(facts, "docx", "en"))) as parts:
        body = parts.read("word/document.xml").decode()
        pictures = [name for name in parts.namelist() if name.startswith("word/media/")]
    assert len(pictures) == 3
    assert "Against the plan" in body
    assert "Close the road" in body


def test_the_command_writes_what_the_name_says(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """PDF by the name's end; without an incident the gravest of the span."""
    monkeypatch.setenv("CITYBRAIN_DATA", str(settings.data))
    output = tmp_path / "r.pdf"
    words = ["after-action", "--city", "chengdu", "--from", "2026-09-22T08:00", "--to", "2026-09-22T14:00"]
    assert cli.app([*words, "-o", str(output)], standalone_mode=False) == 0
    assert output.read_bytes().startswith(b"%PDF")
    assert "incident case, 2 alerts, 1 curves" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nobody", "-o", "x.pdf"], "the archive has no incident 'nobody' among its 1"),
        (["case", "-o", "x.txt"], "--format 'txt' is not known; use one of html, pdf, docx"),
        (["case", "-o", "x.pdf", "--language", "fr"], "use zh or en"),
        (["-o", "x.pdf"], "name an incident, or give --from and --to"),
        (["case", "-o", "x.pdf", "--from", "noon"], "write it as 2026-10-01"),
        (["-o", "x.pdf", "--from", "2020-01-01", "--to", "2020-01-02"], "no incident of the city began in that span"),
        (["case", "-o", "x.pdf", "--from", "2020-01-01", "--to", "2020-01-02"], "was of that span; leave --from"),
        (["case", "-o", "x.pdf", "--from", "2020-01-02", "--to", "2020-01-01"], "give --to after --from"),
    ],
)
def test_what_cannot_be_told_is_one_line(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    """It names the value and what to do."""
    monkeypatch.setenv("CITYBRAIN_DATA", str(settings.data))
    with pytest.raises(ValueError, match=re.escape(said)):
        cli.app(["after-action", "--city", "chengdu", *words], standalone_mode=False)


def test_a_figure_is_the_same_on_paper_and_in_word() -> None:
    """Its shapes in both forms; words are escaped."""
    figure = Figure(100, 50, "a <b>", [Shape(((0, 0), (100, 50)), "#000000", 2.0), Label(5, 20, "x & y")])
    drawn = svg(figure)
    assert 'aria-label="a &lt;b&gt;"' in drawn
    assert "x &amp; y" in drawn
    assert png(figure).startswith(b"\x89PNG")


def test_ticks_are_round_in_the_citys_time() -> None:
    """At most nine, the first of a day with its date."""
    found = ticks(START, START + 6 * HOUR, "Asia/Shanghai")
    assert [text for _, text in found][:2] == ["09-22 11:00", "12:00"]
    assert len(ticks(START, START + 40 * 24 * HOUR, "Asia/Shanghai")) <= 9


def test_detection_is_graded_by_the_truth(settings: Settings) -> None:
    """The pond at the gauge was found at once, the surge was not, and nothing was false."""
    there = {"lon": 104.0, "lat": 30.6, "radius_m": 900.0, "name": {}, "ramp_s": 1.0, "factor": 1.0, "count": 1}
    lines = [
        {"what": "run", "start": START - HOUR},
        {
            "what": "incident",
            "kind": "ponding",
            "place": "510104",
            "start": START - MINUTE,
            "end": START + HOUR,
            **there,
        },
        {"what": "incident", "kind": "venue-surge", "place": "jinli", "start": START, "end": START + MINUTE, **there},
        {
            "what": "fault",
            "kind": "stuck",
            "datastream": f"{GAUGE}/water_level",
            "start": START,
            "end": START + HOUR,
        },
    ]
    truth = settings.home / "truth.jsonl"
    truth.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in lines))
    found = graded(settings, START - HOUR, START + HOUR)
    assert {kind: (one.happened, one.found, one.delay_p50_s) for kind, one in found.kinds.items()} == {
        "ponding": (1, 1, 60.0), "venue-surge": (1, 0, None), "fault-stuck": (1, 0, None),
    }  # fmt: skip
    assert (found.alerts, found.false, found.hours) == (2, 0, 2.0)
    assert json.loads(msgspec.json.encode(found))["false_per_hour"] == 0.0


def test_who_answered_is_told_by_name(facts: AfterAction) -> None:
    """The system wrote the line, a person did it; a severity has the report's word."""
    blocks = story(facts, "en").blocks
    (timeline,) = [one for one in blocks if isinstance(one, Table) and one.head[-1] == "Detail"]
    assert [row[2:] for row in timeline.rows[:3]] == [
        ("system", "opened", ""),
        ("system", "raised", "Red"),
        ("li", "alert acknowledged", "Water · seen"),
    ]
