"""The command line: what a person gets wrong is one clear line and an exit code, never a traceback."""

from __future__ import annotations

import shutil
import socket
import sys
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest

from citybrain import cli

Run = Callable[..., tuple[int, list[str]]]
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run the command line with these words; exit code and the lines of standard error."""
    monkeypatch.setenv("CITYBRAIN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CITYBRAIN_GATEWAY_PORT", "0")

    def one(*words: str) -> tuple[int, list[str]]:
        monkeypatch.setattr(sys, "argv", ["citybrain", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), capsys.readouterr().err.splitlines()

    return one


def test_an_unknown_city_is_one_line_that_names_those_there_are(run: Run, tmp_path: Path) -> None:
    """And no folder is made for it."""
    code, lines = run("run", "all", "--city", "atlantis")
    assert code == 1
    assert lines[-1].startswith("citybrain: city 'atlantis' has no pack")
    assert "auckland, chengdu, shanghai" in lines[-1]
    assert not (tmp_path / "data" / "atlantis").exists()


@pytest.mark.parametrize("words", [("demo", "--headless"), ("run", "all")])
def test_a_port_in_use_is_one_line_that_names_the_option(
    run: Run, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is started when the wall's port is somebody else's."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        monkeypatch.setenv("CITYBRAIN_WALL_PORT", str(port))
        code, lines = run(*words)
    assert code == 1
    assert lines == [
        f"citybrain: port {port} for the wall cannot be used (Address already in use); choose another with --port"
    ]


def test_a_full_disk_is_one_line_with_what_is_free_and_what_is_needed(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Less than 1,000 MB stops the start."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 10**12, 12 * 2**20))
    code, lines = run("demo", "--headless", "--for", "1s")
    assert code == 1
    assert len(lines) == 1
    assert lines[0].startswith("citybrain: 12 MB are free at ")
    assert lines[0].endswith("at least 1000 MB are needed; make room or set CITYBRAIN_DATA")


def test_a_data_folder_that_cannot_be_made_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder and the system's reason are named."""
    monkeypatch.setenv("CITYBRAIN_DATA", "/dev/null/data")
    code, lines = run("run", "all")
    assert (code, lines) == (1, ["citybrain: /dev/null/data: Not a directory"])


@pytest.mark.parametrize("word", ["soon", "-5s", "60 parsecs", ""])
def test_a_duration_that_is_none_is_one_line_with_examples(run: Run, word: str) -> None:
    """--for takes 60s, 2m, 1h or plain seconds."""
    code, lines = run("demo", f"--for={word}", "--headless")
    assert code == 2
    assert lines == [f"citybrain: Invalid value: {word!r} is no duration; write it as 60s, 2m or 1h"]


@pytest.mark.parametrize(
    ("text", "expected"), [("60s", 60.0), ("2m", 120.0), ("1h", 3600.0), ("1.5m", 90.0), ("7", 7.0)]
)
def test_durations_are_read_in_seconds(text: str, expected: float) -> None:
    """Seconds, minutes and hours."""
    assert cli.seconds(text) == expected


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("demo", "--speed", "0"), "speed 0.0 is not above 0"),
        (("demo", "--port", "70000"), "'--port': Input should be less than or equal to 65535"),
        (("run", "everybody"), "'everybody' is not one of"),
        (("dance",), "No such command 'dance'"),
        (("demo", "--colour"), "No such option: --colour"),
        (("dead", "show"), "Missing argument 'letter'"),
    ],
)
def test_wrong_words_are_one_line_and_exit_code_2(run: Run, words: tuple[str, ...], said: str) -> None:
    """What the parser refuses is told without a box and without a traceback."""
    code, lines = run(*words)
    assert code == 2
    assert len(lines) == 1
    assert said in lines[0]


def test_a_setting_that_is_no_number_names_its_variable(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is what the person can mend."""
    monkeypatch.setenv("CITYBRAIN_WALL_PORT", "eighty")
    code, lines = run("doctor")
    assert code == 1
    assert lines[0].startswith("citybrain: CITYBRAIN_WALL_PORT=eighty: Input should be a valid integer")


@pytest.mark.parametrize("role", ["gateway", "worker", "archive", "wall"])
def test_a_single_role_without_a_broker_says_what_to_set(run: Run, role: str) -> None:
    """Roles of production start no servers of their own."""
    code, lines = run("run", role)
    assert code == 1
    assert lines == [
        f"citybrain: citybrain run {role} needs CITYBRAIN_KAFKA; set it, "
        "or start everything on one machine with `citybrain run all`"
    ]


def test_a_password_that_is_too_short_is_one_line(run: Run) -> None:
    """The limit is named."""
    code, lines = run("user", "add", "lin", "--password", "short")
    assert (code, lines) == (1, ["citybrain: the password has 5 characters; use at least 8"])


def test_a_defect_is_not_dressed_up_as_a_person_s_mistake(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the product did not foresee keeps its traceback."""

    def broken(*_: object) -> int:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr("citybrain.commands.packs.check", broken)
    with pytest.raises(ZeroDivisionError):
        run("packs", "check")
