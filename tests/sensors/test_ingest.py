"""citybrain ingest against a running gateway."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from citybrain.commands import ingest
from citybrain.commands.ingest import IngestError, Job, push, run, show
from sensors.codecs.register import named
from tests.sensors.rig import NOW_MS, Served, points, reading


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """A file of 3,000 readings of camera 1, one a line, longer than a piece."""
    file = tmp_path / "readings.ndjson"
    rows = [json.dumps(reading(1, float(n), NOW_MS - 3_000 + n) | {"note": "x" * 100}) for n in range(3_000)]
    file.write_text("\n".join(rows) + "\n")
    return file


def job(file: Path, form: str = "ndjson") -> Job:
    """The file as this format."""
    return Job(file, named(form), "", "", "UTC", None)


def url(gateway: Served) -> str:
    """Where it is."""
    return f"http://127.0.0.1:{gateway.settings.gateway_port}"


def test_a_file_is_pushed_whole(gateway: Served, lines: Path) -> None:
    """In pieces, in order, every row once."""
    done = push(gateway.settings, job(lines), gateway.token, url(gateway))
    assert (done.accepted, done.rejected, done.offset) == (3_000, 0, lines.stat().st_size)
    assert [value for _, _, value in points(gateway.readings())] == [float(n) for n in range(3_000)]


def test_a_run_that_was_stopped_goes_on_where_it_was(
    gateway: Served, lines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the gateway answered is not sent again."""
    sent = ingest._sent
    calls: list[int] = []

    def stopped(*given: Any) -> dict[str, Any]:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return sent(*given)

    monkeypatch.setattr(ingest, "_sent", stopped)
    with pytest.raises(KeyboardInterrupt):
        push(gateway.settings, job(lines), gateway.token, url(gateway))
    monkeypatch.setattr(ingest, "_sent", sent)
    first = [value for _, _, value in points(gateway.readings())]
    done = push(gateway.settings, job(lines), gateway.token, url(gateway))
    second = [value for _, _, value in points(gateway.readings())]
    assert 0 < len(first) < 3_000
    assert first + second == [float(n) for n in range(3_000)]
    assert done.accepted == 3_000
    assert list((gateway.settings.home / "ingest").iterdir()) == []


def test_a_gateway_that_comes_later_is_waited_for(
    gateway: Served, lines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is given up for an outage; each attempt is the same piece."""
    post = httpx.Client.post
    away = threading.Event()

    def answer(self: httpx.Client, *given: Any, **more: Any) -> httpx.Response:
        if not away.is_set():
            away.set()
            raise httpx.ConnectError("refused")
        return post(self, *given, **more)

    monkeypatch.setattr(httpx.Client, "post", answer)
    assert push(gateway.settings, job(lines), gateway.token, url(gateway)).accepted == 3_000
    assert away.is_set()


def test_refused_rows_are_told_and_the_exit_code_is_1(
    gateway: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others are taken."""
    file = tmp_path / "some.json"
    file.write_text(json.dumps([reading(1), reading(77)]))
    code = run(
        gateway.settings, file, "json", False, gateway.token, url(gateway), "", "", "UTC", None, False, as_json=True
    )
    told = capsys.readouterr()
    assert code == 1
    assert json.loads(told.out.splitlines()[-1]) == {"accepted": 1, "rejected": 1, "events": 0}
    assert "cam-077/people is not in the register" in told.err


def test_a_dry_run_prints_json_lines_and_sends_nothing(lines: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One observation a line."""
    assert show(job(lines)) == 0
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 3_000
    assert json.loads(printed[0])["datastream"] == "cam-001/people"


@pytest.mark.parametrize(
    ("name", "content", "form", "told"),
    [
        ("gone.json", None, "json", "no such file"),
        ("a.json", "{", "json", "byte"),
        ("a.json", "[]", "jsn", "format 'jsn' is not known; known are json"),
        ("a.unknown", "[]", None, "does not tell its format; give --format"),
    ],
)
def test_what_cannot_be_read_is_one_clear_line(
    name: str, content: str | None, form: str | None, told: str, tmp_path: Path, gateway: Served
) -> None:
    """The message names the file or the option, and what would do."""
    file = tmp_path / name
    if content is not None:
        file.write_text(content)
    with pytest.raises(IngestError) as error:
        run(gateway.settings, file, form, True, "", None, "", "", "UTC", None, False, False)
    assert told in str(error.value)


def test_without_a_token_nothing_is_tried(lines: Path, gateway: Served) -> None:
    """The message says how to get one."""
    with pytest.raises(IngestError, match="citybrain token new"):
        run(gateway.settings, lines, "ndjson", False, "", None, "", "", "UTC", None, False, False)


def test_a_wrong_token_is_told_at_once(lines: Path, gateway: Served) -> None:
    """It is not tried a hundred times."""
    with pytest.raises(IngestError, match="401"):
        push(gateway.settings, job(lines), "cb_wrong", url(gateway))
