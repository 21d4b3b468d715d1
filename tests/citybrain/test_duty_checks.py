"""What ``citybrain doctor`` says of roster, routes and reports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from citybrain.checks import duty
from config import city as cities
from config.duty_files import COMMON
from config.settings import Settings


@pytest.fixture(scope="module")
def chengdu() -> cities.City:
    """A city with a roster and routes of its own."""
    return cities.load("chengdu")


def test_routes_that_lead_nowhere_are_a_warning_with_what_to_set(
    chengdu: cities.City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables and files by name; a route that was set is not among them."""
    monkeypatch.setenv("CITYBRAIN_ROUTE_DUTY_WECOM", "wecombot://key")
    roster, routes = duty.told(Settings(city="chengdu", data=tmp_path), chengdu)
    assert (roster.status, roster.value) == ("ok", "2 shifts, 4 people, 3 rungs of escalation")
    assert (routes.status, routes.value[:18]) == ("warning", "2 of 6 connected; ")
    assert "CITYBRAIN_ROUTE_DUTY_FEISHU" in routes.value
    assert "secrets/director-mail.url" in routes.value
    assert "CITYBRAIN_ROUTE_DUTY_WECOM" not in routes.value


def test_a_city_with_the_journal_alone_is_connected(tmp_path: Path) -> None:
    """As the common file has it."""
    checks = duty.told(Settings(city="auckland", data=tmp_path), cities.load("auckland"))
    assert [check.status for check in checks] == ["ok", "ok"]


def test_a_roster_that_does_not_load_is_a_fault_that_names_the_file(chengdu: cities.City, tmp_path: Path) -> None:
    """With key and remedy."""
    text = (COMMON / "chengdu" / "roster.yaml").read_text("utf-8")
    (tmp_path / "roster.yaml").write_text(text.replace('to: "20:00"', 'to: "19:00"'), "utf-8")
    (check,) = duty.told(Settings(city="chengdu", data=tmp_path), replace(chengdu, folder=tmp_path))
    assert check.status == "FAULT"
    assert "roster.yaml" in check.value
    assert "no shift at 19:00" in check.value or "not in notifications.yaml" in check.value


def test_what_pdf_lacks_is_a_warning_with_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports as HTML work all the same."""
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None if name == "pango-1.0" else name)
    monkeypatch.setattr(duty, "_chinese_font", lambda: False)
    check = duty.reports()
    assert (check.status, check.value) == ("warning", "without pango-1.0, a Chinese font")
    assert "libpango-1.0-0" in check.remedy
