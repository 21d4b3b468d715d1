"""The pocket on a phone's screen: a task from call to done, over a line that comes and goes, with the page closed."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from config import city as cities
from config import units as fleets
from models.values import Incident, Task, Text, Transition
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
    with Running(stage, fleets.of_city(stage.city), {}) as made:
        yield made


NUMBERS = itertools.count(1)


def opened_incident(room: Running) -> str:
    """A new incident of the room; its number."""
    name = f"inc-{next(NUMBERS):05}"
    room.add(incident(name))
    return name


@pytest.fixture
def call(room: Running) -> str:
    """The unit is free and then sent to a new incident; its number."""
    name = opened_incident(room)
    room.order("unit", UNIT, "release")
    room.order("unit", UNIT, "send", incident=name)
    assert room.room.units[UNIT].status == "sent"
    return name


@pytest.fixture(scope="module")
def login(stage: Stage) -> Iterator[tuple[Browser, Any]]:
    """A browser, and the cookies of a crew that logged in."""
    with desk.chromium() as browser:
        context = browser.new_context(**PHONE)
        page = context.new_page()
        page.goto(f"{stage.url}/login?next=/pocket")
        page.fill("#user", "crew")
        page.fill("#password", stage.password)
        page.click("button[type=submit]")
        page.wait_for_url("**/pocket")
        cookies = context.storage_state()
        context.close()
        yield browser, cookies


@pytest.fixture
def phone(login: tuple[Browser, Any], stage: Stage) -> Iterator[BrowserContext]:
    """A crew's phone on which nothing was pressed yet; it asks nothing of any other machine."""
    browser, cookies = login
    asked: list[str] = []
    context = browser.new_context(**PHONE, locale="zh-CN", storage_state=cookies)
    context.on("request", lambda request: asked.append(request.url))
    yield context
    context.close()
    assert [url for url in asked if not url.startswith(stage.url)] == []


def opened(phone: BrowserContext, stage: Stage) -> Page:
    page = phone.new_page()
    page.goto(f"{stage.url}/pocket")
    desk.until(page, "() => !!window.pocket?.task?.incident", timeout_s=WAIT_S)
    return page


def press(page: Page, button: str) -> None:
    """A tap, and its row of the queue."""
    rows = page.locator("#queue li")
    before = rows.count()
    page.locator(button).tap()
    expect(rows).to_have_count(before + 1, timeout=WAIT_S * 1000)


def confirmed(page: Page, n: int) -> None:
    expect(page.locator("#queue li.confirmed")).to_have_count(n, timeout=WAIT_S * 1000)


def test_pressed_without_a_line_is_sent_once_and_in_order_when_it_is_back(
    phone: BrowserContext, stage: Stage, room: Running, call: str
) -> None:
    """Two commands offline, the page closed and started again offline; both arrive once, in order, with their time."""
    page = opened(phone, stage)
    worker = "async () => !!(await navigator.serviceWorker.getRegistration('/pocket'))?.active"
    desk.until(page, worker, timeout_s=WAIT_S)
    expect(page.locator(".acts .next")).to_have_text("接受任务", timeout=WAIT_S * 1000)
    assert faults(page) == []
    phone.set_offline(True)
    press(page, "[data-do=take]")
    expect(page.locator(".acts .next")).to_have_text("出发")
    press(page, "[data-do=accept]")
    expect(page.locator("#queue li.waiting")).to_have_count(2)
    expect(page.locator("#line")).to_contain_text("2 条待发送")
    page.close()
    page = opened(phone, stage)  # from the phone's own copy
    expect(page.locator(".about h2")).to_have_text("人流激增")
    states = page.evaluate("window.pocket.queue.map((row) => [row.do, row.state])")
    assert states == [["take", "waiting"], ["accept", "waiting"]]
    assert [step.action for step in here(room, call)] == ["send"]
    phone.set_offline(False)
    confirmed(page, 2)
    assert room.room.units[UNIT].status == "under-way"
    assert [step.action for step in here(room, call)] == ["send", "take", "accept"]


def here(room: Running, call: str) -> list[Any]:
    """What the unit did since it was sent to the incident."""
    steps = list(room.room.units[UNIT].history)
    sent = max(at for at, step in enumerate(steps) if step.action == "send")
    assert room.room.units[UNIT].incident == call
    return steps[sent:]


def test_a_task_from_call_to_done(phone: BrowserContext, stage: Stage, room: Running, call: str) -> None:
    """Taken, arrived, ticked, a comment, a picture, done; the incident's timeline has it all in the crew's name."""
    page = opened(phone, stage)
    for button in ("[data-do=take]", "[data-do=accept]", "[data-do=arrive]", "[data-task=t1] input"):
        press(page, button)
    page.fill(".write textarea", "人群已疏散")
    press(page, "[data-do=comment]")
    page.fill(".write input", "https://pictures.example/1.jpg")
    press(page, "[data-do=link]")
    confirmed(page, 6)
    press(page, "[data-do=done]")
    expect(page.locator(".idle")).to_contain_text("目前没有任务", timeout=WAIT_S * 1000)
    after = room.room.incidents[call]
    assert (after.tasks[0].state, after.tasks[0].by, after.links) == (
        "done",
        "crew",
        ("https://pictures.example/1.jpg",),
    )
    assert ("crew", "人群已疏散") in [(step.by, step.comment) for step in after.timeline]
    assert room.room.units[UNIT].status == "free"


def test_what_is_drawn_anew_takes_neither_a_tap_nor_a_word(
    phone: BrowserContext, stage: Stage, room: Running, call: str
) -> None:
    """The desk writes while a finger is on the button, and while somebody writes; the tap counts, the words stay."""
    page = opened(phone, stage)
    button = page.locator("[data-do=take]")
    box = button.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    seen(page, room, call, "先疏散北门")
    page.mouse.up()
    confirmed(page, 1)
    words = page.locator(".write textarea")
    words.focus()
    page.keyboard.type("南门")
    words.evaluate("(it) => { it.begun = true; window.moved = 0; it.onblur = () => { window.moved += 1; }; }")
    seen(page, room, call, "再疏散南门")
    page.keyboard.type("已空")
    expect(words).to_have_value("南门已空")
    assert page.evaluate("[document.activeElement.begun, window.moved]") == [True, 0]


def seen(page: Page, room: Running, call: str, comment: str) -> None:
    """The desk's comment, once the phone shows it."""
    room.order("incident", call, "comment", comment=comment)
    page.evaluate("window.pocket.look()")
    expect(page.locator(".notes")).to_contain_text(comment, timeout=WAIT_S * 1000)


def test_what_came_too_late_is_refused_and_says_so(
    phone: BrowserContext, stage: Stage, room: Running, call: str
) -> None:
    """The desk has sent the unit elsewhere meanwhile: the arrival at the old place changes nothing at the new one."""
    page = opened(phone, stage)
    phone.set_offline(True)
    press(page, "[data-do=take]")
    room.order("unit", UNIT, "release")
    room.order("unit", UNIT, "send", incident=opened_incident(room))
    phone.set_offline(False)
    expect(page.locator("#queue li.refused")).to_contain_text(call, timeout=WAIT_S * 1000)
    assert room.room.units[UNIT].status == "sent"


def test_a_crew_reaches_its_own_page_alone(phone: BrowserContext, stage: Stage, call: str) -> None:
    """Neither the desk nor the wall's stream, no order in another unit's name, nothing at a stranger's incident."""
    ask, headers = phone.request, {"origin": stage.url}
    assert ask.get(f"{stage.url}/stream").status == 403
    order = {"about": "incident", "subject": call, "do": "close"}
    assert ask.post(f"{stage.url}/order", data=order, headers=headers).status == 403
    pressed = {"id": "0123456789", "unit": "pump-1", "do": "take", "incident": call, "at": 0}
    told = ask.post(f"{stage.url}/pocket/command", data=pressed, headers=headers)
    assert (told.status, "pump-1" in told.json()["detail"]) == (403, True)
    elsewhere = {**pressed, "unit": UNIT, "do": "comment", "incident": "inc-99999", "text": "x"}
    assert ask.post(f"{stage.url}/pocket/command", data=elsewhere, headers=headers).status == 404
    wrong = {**pressed, "unit": UNIT, "do": "explode"}
    assert ask.post(f"{stage.url}/pocket/command", data=wrong, headers=headers).status == 422
