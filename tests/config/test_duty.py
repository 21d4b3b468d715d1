"""Rosters and routes as declared: the shipped ones load, every mistake names file, key, value and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from config import notifications, roster
from config.duty_files import COMMON, DutyError, folder, local_time
from config.settings import Settings

ROSTER = (COMMON / "chengdu" / "roster.yaml").read_text("utf-8")
ROUTES = (COMMON / "chengdu" / "notifications.yaml").read_text("utf-8")


def city(path: Path, **files: str) -> Path:
    """A city's folder with these files."""
    path.mkdir(exist_ok=True)
    for name, text in files.items():
        (path / f"{name}.yaml").write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("name", ["chengdu", "auckland", "shanghai"])
def test_the_shipped_rosters_and_routes_load(name: str) -> None:
    """A city without its own has the common ones."""
    place = folder(Settings(city=name))
    ways = notifications.load(place)
    assert ways["journal"].route.via == "journal"
    assert roster.load(place, frozenset(ways)).ladder
    assert len(local_time(place).offset_ms) >= 1


def test_no_shipped_file_holds_an_address_or_a_secret() -> None:
    """They come from the environment or from files."""
    for path in COMMON.rglob("notifications.yaml"):
        lines = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
        assert [line for line in lines if "://" in line] == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('to: "20:00"', 'to: "19:00"', "no shift at 19:00; the shifts cover the day once"),
        ('to: "20:00"', 'to: "21:00"', "2 shifts at 20:00; the shifts cover the day once"),
        ('from: "08:00"', 'from: "8:00"', '"08:30"'),
        ("people: [dispatcher]}", "people: [ghost]}", "ghost is not under people; add them there"),
        ("people: [dispatcher]}", "people: []}", "a seat is taken by at least one person"),
        ("seats: [on-call]", "seats: [attic]", "attic is in no shift; use one of desk-1, desk-2, lead, on-call"),
        ("{roles: [dispatcher]}", "{roles: [planner]}", "nobody sits as planner"),
        ("{roles: [dispatcher]}", "{roles: [dispatcher], again: 2}", "only the last rung is told again"),
        ("{roles: [dispatcher]}", "{}", "tells nobody; give roles, seats or routes"),
        ("routes: [journal, duty-wecom]}", "routes: [pigeon]}", "the route pigeon is not in notifications.yaml"),
        ("- {user: director,", "- {user: supervisor,", "'supervisor' occurs 2 times"),
        ("role: dispatcher", "role: king", "Invalid enum value 'king'"),
        ("ladder:", "stairs:", "roster.yaml"),
    ],
)
def test_a_roster_that_cannot_be_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    """At load, with the remedy."""
    assert old in ROSTER
    place = city(tmp_path / "x", roster=ROSTER.replace(old, new, 1), notifications=ROUTES)
    with pytest.raises(DutyError) as refused:
        roster.load(place, frozenset(notifications.load(place)))
    assert said in str(refused.value)
    assert "roster.yaml" in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{env: CITYBRAIN_ROUTE_DUTY_WECOM}", "{}", "name either env (a variable) or file"),
        ("{env: CITYBRAIN_ROUTE_DUTY_WECOM}", "{env: A, file: b}", "name either env (a variable) or file"),
        ("{env: CITYBRAIN_ROUTE_DUTY_WECOM}", "wecombot://key", "routes[1]: address: stands in the file itself"),
        ("{file: director-mail.url}", "{file: ../../etc/passwd}", "leaves the secrets folder"),
        ("    secret: {file: platform-webhook.key}\n", "", "a webhook is signed"),
        ("    address: {file: director-mail.url}\n", "", "a route via apprise needs"),
        ('{from: "23:00", to: "07:00"}', '{from: "23:00", to: "23:00"}', "leave the key out for never"),
        ('{from: "23:00", to: "07:00"}', '{from: "25:00", to: "07:00"}', "is no time of day"),
        ("severities: [Extreme]", "severities: [Purple]", "Invalid enum value 'Purple'"),
        ("severities: [Extreme]", "severities: []", "leave the key out for all"),
        ("route: duty-feishu", "route: duty-wecom", "'duty-wecom' occurs 2 times"),
        ("via: journal", "via: smoke", "Invalid enum value 'smoke'"),
    ],
)
def test_a_route_that_cannot_be_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    """At load, with the remedy."""
    assert old in ROUTES
    with pytest.raises(DutyError) as refused:
        notifications.load(city(tmp_path / "x", notifications=ROUTES.replace(old, new, 1)))
    assert said in str(refused.value)
    assert "notifications.yaml" in str(refused.value)


def test_addresses_come_from_the_environment_or_a_file_as_they_are_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A route is connected when there is one, without a restart."""
    ways = notifications.load(folder(Settings(city="chengdu")))
    wecom, mail = ways["duty-wecom"], ways["director-mail"]
    assert (wecom.connected(tmp_path), mail.connected(tmp_path), ways["journal"].connected(tmp_path)) == (
        False,
        False,
        True,
    )
    monkeypatch.setenv("CITYBRAIN_ROUTE_DUTY_WECOM", " wecombot://key ")
    (tmp_path / "director-mail.url").write_text("mailtos://x\n")
    assert (wecom.address_now(tmp_path), mail.address_now(tmp_path)) == ("wecombot://key", "mailtos://x")


def test_a_city_that_is_not_there_is_told_with_where_it_was_looked_for(tmp_path: Path) -> None:
    """Also in a folder of one's own."""
    with pytest.raises(DutyError, match=str(tmp_path)):
        folder(Settings(city="nowhere", cities=tmp_path))
