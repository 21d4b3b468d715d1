"""The planner's page in a real browser: by keys, by role, through an outage, in both languages, for screen readers."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect

from config import city as cities
from config import contract
from config import register as registers
from config import units as fleets
from config.settings import Settings
from tests.citybrain.replay import rig
from tests.e2e import desk
from tests.e2e.test_desk import faults
from tests.wall.room import Running
from tests.wall.stage import Stage
from wall.accounts import add_user

pytestmark = [
    pytest.mark.skipif(desk.CHROMIUM is None, reason="no chromium on this machine; install Debian's package chromium"),
    pytest.mark.timeout(240),
]
WAIT_MS = 30_000


def recorded(folder: Path) -> Settings:
    """Half an hour of archive, of which an incident is one."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda _: None)
        return rig.settings(folder)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """A small Chengdu with the real room, a planner, and a datastream that nobody registered."""
    city = cities.load("chengdu")
    with (
        tempfile.TemporaryDirectory(prefix="planner-") as name,
        Stage(Path(name), registers.load(recorded(Path(name)).register), city, answers=False) as made,
        Running(made, fleets.of_city(city), {"incident-1": rig.incident()}),
    ):
        add_user(made.settings.secrets / "users.json", "lin", "planner", made.password)
        now = int(time.time() * 1000)
        row = {"datastream": "cam-077/people", "source": "video-03", "count": 412, "first": now, "last": now}
        made.feed.redis.hset(contract.unknown(city.id), "cam-077/people", msgspec.json.encode(row))
        yield made


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with desk.chromium() as browser:
        yield browser


def opened(browser: Browser, stage: Stage, user: str, lang: str = "zh-CN") -> Page:
    """The planner's page of somebody who logged in."""
    page = desk.open_page(browser, lang=lang)
    page.goto(f"{stage.url}/login?next=/planner")
    page.fill("#user", user)
    page.fill("#password", stage.password)
    page.click("button[type=submit]")
    page.wait_for_url("**/planner")
    expect(page.locator(".sheet")).to_have_attribute("data-state", "ok", timeout=WAIT_MS)
    return page


def show(page: Page, tab: str, state: str = "ok") -> None:
    page.evaluate("(tab) => { location.hash = tab; }", tab)
    expect(page.locator(f"#tab-{tab}")).to_have_attribute("data-state", state, timeout=2 * WAIT_MS)


@pytest.fixture(scope="module")
def lin(chromium: Browser, stage: Stage) -> Iterator[Page]:
    """A planner's page; whatever it does, it asks nothing of any other machine."""
    page = opened(chromium, stage, "lin")
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    assert desk.elsewhere(page) == []
    assert errors == []
    page.context.close()


def test_a_silence_is_made_and_ended_by_keys(lin: Page) -> None:
    """Digits choose the tab, the form is filled without a mouse, and what became of it is said."""
    lin.keyboard.press("3")
    expect(lin.locator("#tab-silences")).to_have_attribute("data-state", "ok", timeout=WAIT_MS)
    expect(lin.locator(".tab-note")).to_have_text("没有静默。")
    lin.locator("#tab-silences input[name=rule]").focus()
    lin.keyboard.type("ZoneSurge")
    lin.locator("#tab-silences input[name=comment]").focus()
    lin.keyboard.type("春节灯会")
    lin.keyboard.press("Enter")
    expect(lin.locator(".said")).to_have_attribute("data-kind", "done", timeout=WAIT_MS)
    row = lin.locator("#tab-silences tbody tr")
    expect(row).to_contain_text("春节灯会")
    row.locator("button").press("Enter")
    expect(row).to_contain_text("已结束", timeout=WAIT_MS)


def test_a_wall_that_is_away_is_said_and_comes_back(lin: Page, stage: Stage) -> None:
    """The page keeps what it knew, says that it is alone, and goes on without being loaded anew."""
    show(lin, "roster")
    lin.evaluate("window.mark = 1")
    stage.kill_wall()
    lin.keyboard.press("r")
    expect(lin.locator(".alarm")).to_contain_text("已断开", timeout=WAIT_MS)
    expect(lin.locator("#tab-roster")).to_have_attribute("data-state", "disconnected")
    expect(lin.locator("#tab-roster")).to_contain_text("desk-1")
    stage.start_wall()
    expect(lin.locator("#tab-roster")).to_have_attribute("data-state", "ok", timeout=WAIT_MS)
    expect(lin.locator(".alarm")).to_be_empty()
    assert lin.evaluate("window.mark") == 1


def test_the_tabs_keep_to_wcag_aa(lin: Page) -> None:
    """Tables, forms, empty ones too."""
    for tab in ("rules", "packs", "silences", "roster", "past"):
        show(lin, tab)
        assert faults(lin) == [], tab


def test_a_change_is_tried_on_the_last_day_before_it_is_made(lin: Page) -> None:
    """The dial at 12 alerts an hour: what would come and go, beside what was; nothing is changed by looking."""
    show(lin, "rules")
    lin.locator("#tab-rules input[type=number]").fill("12")
    lin.locator("#tab-rules .card").first.locator("button.plain").click()
    card = lin.locator("[data-result=preview]")
    expect(card.locator(".versus b")).to_have_count(2, timeout=4 * WAIT_MS)
    expect(card.locator("details")).to_have_count(3)
    assert faults(lin) == []


def test_an_incident_has_its_report(lin: Page, stage: Stage) -> None:
    """From the page's link, made of the archive."""
    show(lin, "past")
    row = lin.locator('#tab-past tr[data-id="incident-1"]')
    report = str(row.locator("a", has_text="HTML").get_attribute("href"))
    told = lin.context.request.get(stage.url + report, timeout=4 * WAIT_MS)
    assert (told.status, "春熙路人流" in told.text()) == (200, True)


def test_who_only_looks_can_press_nothing(chromium: Browser, stage: Stage) -> None:
    """A viewer sees the page in their language, with its buttons off, and the audit says why it is not told."""
    page = opened(chromium, stage, "guest", lang="en-GB")
    expect(page.locator(".names button").first).to_contain_text("Rules and budget")
    enabled = page.locator(".sheet form button:enabled, .sheet tbody button:enabled")
    expect(enabled).to_have_count(0)
    show(page, "audit", "failed")
    expect(page.locator(".tab-note")).to_contain_text("may not read the audit")
    page.context.close()


def test_an_unknown_datastream_is_adopted_after_its_difference_was_read(lin: Page, stage: Stage) -> None:
    """Without a place nothing can be adopted; with one the change is told before it is made.

    Last of all, for the wall ends when the register has grown: whoever runs it starts it anew.
    """
    show(lin, "register")
    lin.locator("#tab-register tbody button").click()
    box = lin.locator("dialog")
    expect(box.locator("button[type=submit]")).to_be_disabled()
    box.locator("input[name=lon]").fill("104.06")
    box.locator("input[name=lat]").fill("30.66")
    box.locator("input[name=lat]").press("Tab")
    expect(box.locator(".diff .new")).to_contain_text("cam-077", timeout=WAIT_MS)
    assert faults(lin) == []
    box.locator("button[type=submit]").click()
    expect(box).to_have_count(0, timeout=WAIT_MS)
    assert "cam-077/people" not in stage.feed.redis.hgetall(contract.unknown(stage.city.id))
