"""The pocket on a phone's screen: a task from call to done, over a line that comes and goes, with the page closed."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from config import city as cities
from config import units as fleets
from models.values import Incident, Order, Task, Text, Transition
from tests.e2e import desk
from tests.e2e.test_desk import faults
from tests.wall import feed
from tests.wall.room import Running
from tests.wall.stage import Stage
from wall.accounts import add_user

pytestmark = [
    pytest.mark.skipif(desk.CHROMIUM is None, reason="no chromium on this machine; install Debian's package chromium"),
    pytest.mark.timeout(240),
]
WAIT_S = 30.0
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
UNIT = "patrol-510104-1"


def incident(name: str) -> Incident:
    now = int(time.time() * 1000)
    return Incident(
        id=name, title=Text("Crowd surge", "人流激增"), state="assigned", severity="Severe", pack="holiday-crowd",
        place="v", place_name=Text("Square", "天府广场"), lon=104.06, lat=30.66, district="510104", opened=now,
        changed=now, owner="wang", tasks=(Task(id="t1", what=Text("One way", "设置单向通行"), who="patrol"),),
        timeline=(Transition(at=now, was="", now="open", action="opened"),),
    )  # fmt: skip


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    city = cities.load("chengdu")
    with (
        tempfile.TemporaryDirectory(prefix="pocket-") as name,
        Stage(Path(name), feed.register(city, cameras=500), city, answers=False) as made,
    ):
        add_user(made.settings.secrets / "users.json", "crew", "unit", made.password, unit=UNIT)
        yield made


@pytest.fixture(scope="module")
def room(stage: Stage) -> Iterator[Running]:
    known = {name: incident(name) for name in ("inc-00001", "inc-00002")}
    with Running(stage, fleets.of_city(stage.city), known) as made:
        yield made


@pytest.fixture(scope="module")
def phone(stage: Stage) -> Iterator[BrowserContext]:
    """A crew's phone, logged in; it asks nothing of any other machine."""
    asked: list[str] = []
    with desk.chromium() as browser:
        context = browser.new_context(**PHONE, locale="zh-CN")
        context.on("request", lambda request: asked.append(request.url))
        page = context.new_page()
        page.goto(f"{stage.url}/login?next=/pocket")
        page.fill("#user", "crew")
        page.fill("#password", stage.password)
        page.click("button[type=submit]")
        page.wait_for_url("**/pocket")
        page.close()
        yield context
    assert [url for url in asked if not url.startswith(stage.url)] == []


def opened(phone: BrowserContext, stage: Stage) -> Page:
    page = phone.new_page()
    page.goto(f"{stage.url}/pocket")
    desk.until(page, "() => !!window.pocket?.task", timeout_s=WAIT_S)
    return page


def states(page: Page) -> list[list[str]]:
    found: list[list[str]] = page.evaluate("window.pocket.queue.map((row) => [row.do, row.state])")
    return found


def test_pressed_without_a_line_is_sent_once_and_in_order_when_it_is_back(
    phone: BrowserContext, stage: Stage, room: Running
) -> None:
    """Two commands offline, the page closed and started again offline; both arrive once, in order, with their time."""
    room.order("unit", UNIT, "send", incident="inc-00001")
    page = opened(phone, stage)
    worker = "async () => !!(await navigator.serviceWorker.getRegistration('/pocket'))?.active"
    desk.until(page, worker, timeout_s=WAIT_S)
    expect(page.locator(".acts .next")).to_have_text("接受任务", timeout=30_000)
    assert faults(page) == []
    phone.set_offline(True)
    page.locator("[data-do=take]").tap()
    expect(page.locator(".acts .next")).to_have_text("出发")
    page.locator("[data-do=accept]").tap()
    expect(page.locator("#queue li.waiting")).to_have_count(2)
    expect(page.locator("#line")).to_contain_text("2 条待发送")
    page.close()
    page = opened(phone, stage)  # from the phone's own copy
    expect(page.locator(".about h2")).to_have_text("人流激增")
    assert states(page) == [["take", "waiting"], ["accept", "waiting"]]
    assert [asked for asked in room.taken if isinstance(asked, Order) and asked.subject == UNIT] == []
    phone.set_offline(False)
    expect(page.locator("#queue li.confirmed")).to_have_count(2, timeout=WAIT_S * 1000)
    assert room.room.units[UNIT].status == "under-way"
    done = [step.action for step in room.room.units[UNIT].history]
    assert done == ["send", "take", "accept"]
    page.close()


def test_the_rest_of_the_task(phone: BrowserContext, stage: Stage, room: Running) -> None:
    """Arrived, a task ticked, a comment and a picture, done; the incident's timeline has it all in the crew's name."""
    page = opened(phone, stage)
    page.locator("[data-do=arrive]").tap()
    page.locator("[data-task=t1] input").tap()
    page.fill(".write textarea", "人群已疏散")
    page.locator("[data-do=comment]").tap()
    page.fill(".write input", "https://pictures.example/1.jpg")
    page.locator("[data-do=link]").tap()
    expect(page.locator("#queue li.confirmed")).to_have_count(6, timeout=WAIT_S * 1000)
    page.locator("[data-do=done]").tap()
    expect(page.locator(".idle")).to_contain_text("目前没有任务", timeout=WAIT_S * 1000)
    after = room.room.incidents["inc-00001"]
    assert (after.tasks[0].state, after.tasks[0].by, after.links) == (
        "done",
        "crew",
        ("https://pictures.example/1.jpg",),
    )
    assert ("crew", "人群已疏散") in [(step.by, step.comment) for step in after.timeline]
    assert room.room.units[UNIT].status == "free"
    page.close()


def test_what_came_too_late_is_refused_and_says_so(phone: BrowserContext, stage: Stage, room: Running) -> None:
    """The desk has sent the unit elsewhere meanwhile: the arrival at the old place changes nothing at the new one."""
    room.order("unit", UNIT, "send", incident="inc-00001")
    page = opened(phone, stage)
    expect(page.locator("[data-do=take]")).to_be_visible(timeout=WAIT_S * 1000)
    phone.set_offline(True)
    page.locator("[data-do=take]").tap()
    room.order("unit", UNIT, "release")
    room.order("unit", UNIT, "send", incident="inc-00002")
    phone.set_offline(False)
    expect(page.locator("#queue li.refused")).to_contain_text("inc-00001", timeout=WAIT_S * 1000)
    assert room.room.units[UNIT].status == "sent"
    page.close()


def test_a_crew_reaches_its_own_page_alone(phone: BrowserContext, stage: Stage) -> None:
    """Neither the desk nor the wall's stream, no order in another unit's name, nothing at a stranger's incident."""
    ask, headers = phone.request, {"origin": stage.url}
    assert ask.get(f"{stage.url}/stream").status == 403
    order = {"about": "incident", "subject": "inc-00001", "do": "close"}
    assert ask.post(f"{stage.url}/order", data=order, headers=headers).status == 403
    pressed = {"id": "0123456789", "unit": "pump-1", "do": "take", "incident": "inc-00001", "at": 0}
    told = ask.post(f"{stage.url}/pocket/command", data=pressed, headers=headers)
    assert (told.status, "pump-1" in told.json()["detail"]) == (403, True)
    elsewhere = {**pressed, "unit": UNIT, "do": "comment", "incident": "inc-99999", "text": "x"}
    assert ask.post(f"{stage.url}/pocket/command", data=elsewhere, headers=headers).status == 404
    wrong = {**pressed, "unit": UNIT, "do": "explode"}
    assert ask.post(f"{stage.url}/pocket/command", data=wrong, headers=headers).status == 422
