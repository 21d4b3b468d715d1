"""``citybrain user`` and ``citybrain display``: what they print, keep and refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from citybrain.commands import bench, display, user
from config.settings import Settings
from wall.accounts import AccountError
from wall.displays import DisplayError, Screens

PASSWORD = "correct horse 8"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.model_validate({"city": "chengdu", "data": tmp_path})


def test_an_admin_is_given_a_second_factor_at_once(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """The authenticator's address and the codes are printed; the list shows neither."""
    assert user.add(settings, "boss", "admin", PASSWORD, "") == 0
    told = capsys.readouterr().out
    assert "otpauth://totp/citybrain:boss?secret=" in told
    user.show(settings, as_json=True)
    listed = json.loads(capsys.readouterr().out)["users"]
    assert listed == [{"name": "boss", "role": "admin", "unit": "", "second_factor": True, "recovery_codes": 10}]


def test_a_person_is_removed_and_an_unknown_one_refused(settings: Settings) -> None:
    """The second time there is nobody."""
    user.add(settings, "chen", "dispatcher", PASSWORD, "")
    assert user.remove(settings, "chen") == 0
    with pytest.raises(AccountError, match="'chen' has no account"):
        user.remove(settings, "chen")


def test_a_display_is_made_freed_and_revoked(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """Its address is printed once; who it is bound to is listed, never the token."""
    display.new(settings, "hall", shared=False)
    token = capsys.readouterr().out.strip().partition("display=")[2]
    screens = Screens(settings.secrets)
    assert screens.bind("hall", "first")
    display.show(settings, as_json=True)
    listed = capsys.readouterr().out
    assert json.loads(listed)["displays"][0]["bound"]
    assert token not in listed
    display.free(settings, "hall")
    assert screens.bind("hall", "second")
    display.revoke(settings, "hall")
    assert screens.holder(token) is None
    with pytest.raises(DisplayError, match="'hall' is no display"):
        display.revoke(settings, "hall")


def test_only_a_benchmark_that_lets_one_choose_takes_a_length() -> None:
    """The message says what to do."""
    with pytest.raises(bench.BenchError, match="'geo' has a length of its own; leave --for out"):
        bench.run("geo", True, "1h")
