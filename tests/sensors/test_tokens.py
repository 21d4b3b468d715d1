"""Bearer tokens of the gateways."""

from __future__ import annotations

import datetime as dt
import json
import logging
from pathlib import Path

import pytest

from sensors import tokens
from sensors.tokens import DISPATCH, READINGS, Tokens, TokensError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the tokens lie."""
    return tmp_path / "secrets" / "gateways.json"


def test_a_token_is_known_by_its_owner_and_never_kept(path: Path) -> None:
    """The file holds the SHA-256 only, for the owner's eyes only; the token names its gateway."""
    token = tokens.issue(path, "gate-1")
    gateway = Tokens(path).verify(token)
    assert gateway is not None
    assert (gateway.name, gateway.may(READINGS), gateway.may(DISPATCH)) == ("gate-1", True, False)
    assert token not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert Tokens(path).verify(token + "x") is None


def test_an_expired_token_is_unknown(path: Path) -> None:
    """A token counts until the moment it expires."""
    until = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    token = tokens.issue(path, "gate-1", expires=until)
    assert Tokens(path, lambda: until.timestamp() - 0.001).verify(token) is not None
    assert Tokens(path, until.timestamp).verify(token) is None


def test_a_gateway_may_have_two_tokens_while_one_is_replaced(path: Path) -> None:
    """Issuing another token leaves the first as it is; revoking a name takes both."""
    issued = [tokens.issue(path, "gate-1"), tokens.issue(path, "gate-1"), tokens.issue(path, "gate-2")]
    known = Tokens(path)
    assert [known.verify(token) is not None for token in issued] == [True] * 3
    assert tokens.revoke(path, "gate-1") == 2
    known = Tokens(path)
    assert [known.verify(token) is not None for token in issued] == [False, False, True]


def test_a_changed_file_counts_without_a_restart(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that was issued or revoked while the gateway runs counts from the next look at the file on."""
    known = Tokens(path)
    token = tokens.issue(path, "gate-1")
    assert known.verify(token) is None  # looked a moment ago
    monkeypatch.setattr(tokens, "RECHECK_S", 0)
    assert known.verify(token) is not None
    tokens.revoke(path, "gate-1")
    assert known.verify(token) is None


def test_a_broken_file_keeps_the_tokens_read_before(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that an editor has spoilt locks nobody out, and is told; issuing then refuses to write over it."""
    monkeypatch.setattr(tokens, "RECHECK_S", 0)
    token = tokens.issue(path, "gate-1")
    known = Tokens(path)
    path.write_text("[{]")
    with caplog.at_level(logging.ERROR):
        assert known.verify(token) is not None
    assert "cannot be read" in caplog.text
    assert token not in caplog.text
    with pytest.raises(TokensError, match="mend it"):
        tokens.issue(path, "gate-2")


def test_the_file_may_be_written_by_hand(path: Path) -> None:
    """A list of name, sha256 and created is enough."""
    path.parent.mkdir()
    entry = {"name": "gate-9", "sha256": tokens.digest("hand-made").upper(), "created": "2026-01-01T00:00:00Z"}
    path.write_text(json.dumps([entry]))
    gateway = Tokens(path).verify("hand-made")
    assert gateway is not None
    assert (gateway.name, gateway.scopes) == ("gate-9", frozenset({READINGS}))
