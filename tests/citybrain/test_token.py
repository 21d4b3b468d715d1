"""citybrain token, as it is called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from citybrain.cli import app
from citybrain.commands.token import TokenError
from sensors.tokens import Tokens

run = CliRunner()


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the tokens of an own data folder lie."""
    monkeypatch.setenv("CITYBRAIN_DATA", str(tmp_path))
    return tmp_path / "chengdu" / "secrets" / "gateways.json"


def test_a_token_is_issued_listed_rotated_and_revoked(book: Path) -> None:
    """The list tells the rights and never the token."""
    asked = ["token", "new", "bridge-7", "--valid", "90d", "--asset", "cam-51", "--kind", "camera", "--rate", "2000"]
    first = run.invoke(app, asked, standalone_mode=False).stdout.strip()
    gateway = Tokens(book).verify(first)
    assert gateway is not None
    assert (gateway.assets, gateway.kinds, gateway.rate) == (("cam-51",), ("camera",), 2000)
    second = run.invoke(app, ["token", "rotate", "bridge-7", "--overlap", "1h"], standalone_mode=False).stdout.strip()
    told = run.invoke(app, ["token", "list", "--json"], standalone_mode=False).stdout
    assert [row["assets"] for row in json.loads(told)["tokens"]] == [["cam-51"], ["cam-51"]]
    assert first not in told
    assert second not in told
    assert "2 tokens of bridge-7 revoked" in run.invoke(app, ["token", "revoke", "bridge-7"]).stdout
    assert "no tokens" in run.invoke(app, ["token", "list"]).stdout


def test_a_signing_token_prints_its_key_once(book: Path) -> None:
    """The key follows the token, and a rotated token gets a key of its own."""
    lines = run.invoke(app, ["token", "new", "gate-1", "--signed"], standalone_mode=False).stdout.splitlines()
    turned = run.invoke(app, ["token", "rotate", "gate-1"], standalone_mode=False).stdout.splitlines()
    keys = {line.removeprefix("signing key: ") for line in (lines[1], turned[1])}
    assert len(keys) == 2
    assert all(key in book.read_text() for key in keys)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["new", "g", "--scope", "reading"],
            "scope 'reading' is not known; use one of readings, look, dispatch, lead, plan, audit",
        ),
        (["new", "g", "--valid", "soon"], "'soon' is no duration; write a number and ms, s, m, h or d, as in 90s"),
    ],
)
def test_what_makes_no_sense_is_refused(book: Path, arguments: list[str], told: str) -> None:
    """The message names the value and what would do."""
    error = run.invoke(app, ["token", *arguments], standalone_mode=False).exception
    assert isinstance(error, TokenError)
    assert str(error) == told
    assert not book.exists()
